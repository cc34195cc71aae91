// Every linter, one after another; fails if any does.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const eslint = join(dirname(require.resolve('eslint/package.json')), 'bin', 'eslint.js'); // not among its exports
const clangFormat = fileURLToPath(new URL('format.mjs', import.meta.url));
const workflows = fileURLToPath(new URL('workflows.mjs', import.meta.url));
const api = fileURLToPath(new URL('../build/api.mjs', import.meta.url));
const linters = {
  'TypeScript (sources, tests, examples, benchmarks)': [
    ['typescript/bin/tsc', '-p', '.', '--noEmit'],
    ['typescript/bin/tsc', '-p', 'test'],
    ['typescript/bin/tsc', '-p', 'examples', '--noEmit'],
    ['typescript/bin/tsc', '-p', 'bench', '--noEmit'],
  ],
  ESLint: [[eslint, '--max-warnings', '0', '.']],
  Prettier: [['prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']],
  'clang-format': [[clangFormat, '--check']],
  'API report': [[api, '--check']],
  'actionlint (workflows)': [[workflows]],
};

let failed = false;
for (const [name, commands] of Object.entries(linters)) {
  const passed = commands.every(([script, ...flags]) => {
    return spawnSync(process.execPath, [require.resolve(script), ...flags], { stdio: 'inherit' }).status === 0;
  });
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name}`);
  failed ||= !passed;
}
process.exit(failed ? 1 : 0);
