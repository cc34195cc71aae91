// npm run test:commands [-- --long | --check]: runs the commands that documents name and nothing else of CI does. Each has
// to end well, leave what its row in commands/table.mjs says, and leave the working tree as it was. `--long` runs those of
// the long tests; `--check` only looks for commands that nobody runs, and for rows that no document asks for.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, root } from '../lib/run.mjs';
import { namedIn, problemsOf, repository } from './commands/check.mjs';
import { problemOf } from './commands/run.mjs';
import { FOLDER, lineOf, rowsOf } from './commands/table.mjs';

const { values: options } = parseArgs({
  options: { long: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
});

const now = repository();
const problems = problemsOf(now);
for (const problem of problems) console.error(problem);
if (problems.length > 0) fail(`${problems.length} problems with commands; scripts/test/commands/table.mjs lists them`);
console.log(`${namedIn(now.documents).size} commands of documents have somebody who runs them, or a reason`);
if (options.check) process.exit(0);
if (process.platform !== 'linux' || process.arch !== 'x64') fail('npm run test:commands works on Linux on x86-64');

mkdirSync(join(root, FOLDER), { recursive: true });
let failed = 0;
for (const row of rowsOf(options.long ? 'long' : 'ci')) {
  const start = performance.now();
  const { problem, output } = problemOf(row);
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6);
  console.log(`${problem ? 'FAILED' : 'ok    '} ${seconds} s  ${lineOf(row)}`);
  if (!problem) continue;
  failed++;
  console.error(`${output}\nmetal-sgd: ${lineOf(row)}: ${problem}`);
}
process.exit(failed > 0 ? 1 : 0);
