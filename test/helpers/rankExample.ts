// The example on the ranks of a job, beside one process that computes the same shares.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNode } from './child';
import { DIGITS } from './examples';
import { commandOf, jobEnvironment, type RankOptions } from './ranks';

/** 540 steps. Without accumulation, which adds in another order: first on each rank, then over them. */
const OPTIONS = ['--no-plot', '--epochs', '11', '--max-norm', '2', '--ema', '0.9'];

function lastFileIn(folder: string): Buffer {
  const files = readdirSync(folder).sort();
  expect(files).toHaveLength(3);
  return readFileSync(join(folder, files[2]));
}

/** Both train to the same accuracy and the same file, byte by byte. */
export function expectSameTraining(job: RankOptions, newFolder: () => string): void {
  const { launcher = 'openmpi', count = 2, prefix } = job;
  const [alone, together] = [newFolder(), newFolder()];
  const one = runNode([DIGITS, ...OPTIONS, '--shares', String(count), '--checkpoint', alone], {
    env: { METAL_SGD_DEVICE: 'cpu' },
  });
  expect(one.status).toBe(0);
  const program = [DIGITS, ...OPTIONS, '--distributed', '--checkpoint', together];
  const [command, args] = commandOf(launcher, count, program, prefix);
  const env = jobEnvironment({ METAL_SGD_DEVICE: 'cpu', ...job.env });
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 120_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const resultsOf = (text: string): string[] => text.match(/^test .*$/gm) ?? [];
  expect(resultsOf(stdout)).toEqual(resultsOf(one.stdout));
  expect(lastFileIn(together).equals(lastFileIn(alone))).toBe(true);
}
