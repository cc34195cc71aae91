// The example under mpirun: the file of one process that computes the same shares, byte by byte, written by rank 0 alone.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNode } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';
import { temporaryFolders } from '../helpers/folders';
import { commandOf, jobEnvironment, type Launcher } from '../helpers/ranks';

const newFolder = temporaryFolders();
// Without accumulation, which adds in another order: first on each rank, then over them.
const OPTIONS = ['--no-plot', '--epochs', '11', '--max-norm', '2', '--ema', '0.9'];

beforeAll(buildExamples);

function lastFileIn(folder: string): Buffer {
  const files = readdirSync(folder).sort();
  expect(files).toHaveLength(3);
  return readFileSync(join(folder, files[2]));
}

test.each<[Launcher, number]>([
  ['openmpi', 2],
  ['openmpi', 4],
  ['mpich', 2],
])('%s, %d ranks', (launcher, count) => {
  const [alone, together] = [newFolder(), newFolder()];
  const one = runNode([DIGITS, ...OPTIONS, '--shares', String(count), '--checkpoint', alone], {
    env: { METAL_SGD_DEVICE: 'cpu' },
  });
  expect(one.status).toBe(0);
  const [command, args] = commandOf(launcher, count, [DIGITS, ...OPTIONS, '--distributed', '--checkpoint', together]);
  const env = jobEnvironment({ METAL_SGD_DEVICE: 'cpu' });
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 90_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const resultsOf = (text: string): string[] => text.match(/^test .*$/gm) ?? [];
  expect(resultsOf(stdout)).toEqual(resultsOf(one.stdout));
  expect(lastFileIn(together).equals(lastFileIn(alone))).toBe(true);
});

test('options of workers and shares are refused', () => {
  const { status, stderr } = runNode([DIGITS, '--distributed', '--workers', '2']);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'error: each process computes one share: leave out --workers and --shares\n',
  });
});
