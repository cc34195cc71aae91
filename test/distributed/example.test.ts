// The example under mpirun: the file of one process that computes the same shares, byte by byte, written by rank 0 alone.
import { runNode } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';
import { temporaryFolders } from '../helpers/folders';
import { expectSameTraining } from '../helpers/rankExample';
import type { Launcher } from '../helpers/ranks';

const newFolder = temporaryFolders();

beforeAll(buildExamples);

test.each<[Launcher, number]>([
  ['openmpi', 2],
  ['mpich', 4],
])('%s, %d ranks', (launcher, count) => {
  expectSameTraining({ launcher, count }, newFolder);
});

test('options of workers and shares are refused', () => {
  const { status, stderr } = runNode([DIGITS, '--distributed', '--workers', '2']);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'error: each process computes one share: leave out --workers and --shares\n',
  });
});
