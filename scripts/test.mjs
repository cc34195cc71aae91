// Runs the tests. `--long` runs test/long instead. Other arguments go to Jest.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const [long, ...others] = process.argv.includes('--long')
  ? [true, ...process.argv.slice(2).filter((argument) => argument !== '--long')]
  : [false, ...process.argv.slice(2)];

function run(...command) {
  const { status, error } = spawnSync(process.execPath, command, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run(require.resolve('typescript/bin/tsc'), '-p', 'test');
run(require.resolve('typescript/bin/tsc'), '-p', 'test/types');
run(
  '--expose-gc',
  require.resolve('jest/bin/jest'),
  '--testPathPatterns',
  long ? 'test/long/' : '^(?!.*/test/long/)',
  ...others,
);
