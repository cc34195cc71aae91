// The bugs of test/mutants are data: their texts must fit the code, or nobody hunts them.
import { execFileSync } from 'node:child_process';
import { ROOT } from '../helpers/child';

test('every mutant still fits the code', () => {
  const output = execFileSync(process.execPath, ['scripts/test/mutants.mjs', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(Number(/^(\d+) mutants fit the code$/m.exec(output)?.[1])).toBeGreaterThanOrEqual(165);
});
