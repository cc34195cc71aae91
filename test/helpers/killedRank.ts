// A training on two ranks with checkpoints, of which one may be killed.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Launcher, type RankLab, runRanks, startRanks } from './ranks';

/** Goes on from the newest checkpoint, if there is one. */
async function train({ sgd }: RankLab, path: string): Promise<void> {
  const world = await sgd.joinWorld({ timeout: 5000 });
  const [w, g] = [sgd.zeros({ a: 5000 }), sgd.zeros({ a: 5000 })];
  const optimizer = new sgd.SGD(0.01, { momentum: 0.9, world });
  const directory = new sgd.CheckpointDirectory(path);
  await directory.load(optimizer, { parameters: w });
  console.log(`pid ${String(world.rank)} ${String(process.pid)}`);
  while (optimizer.step < 60) {
    const { step } = optimizer;
    g.a.data.forEach((_, i, data) => (data[i] = Math.sin(i + step * 3 + world.rank)));
    await optimizer.updateAsync(w, g);
    if (optimizer.step % 5 === 0) await directory.save(optimizer, { parameters: w });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await world.leave();
}

/** Trains to the end; the last checkpoint. */
export function trainedWhole(launcher: Launcher, folder: string): Buffer {
  const { status, stderr } = runRanks(train as never, folder as never, { launcher });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return readFileSync(join(folder, readdirSync(folder).sort().at(-1) ?? ''));
}

/** Kills rank 1 so many milliseconds after it has joined: the job ends, with a status, within 10 s. */
export async function killRank(launcher: Launcher, folder: string, delay: number): Promise<void> {
  const job = startRanks(train, folder, { launcher });
  const ended = once(job, 'exit') as Promise<[number | null]>;
  let out = '';
  job.stdout?.on('data', (part: Buffer) => (out += part.toString()));
  while (!/pid 1 \d+/.test(out) && job.exitCode === null) await sleep(10);
  await sleep(delay);
  const start = performance.now();
  process.kill(Number(/pid 1 (\d+)/.exec(out)?.[1]), 'SIGKILL');
  const [status] = await ended;
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(status).not.toBe(0);
}
