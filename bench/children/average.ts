// Means of gradients over the ranks of a job, and how late the event loop is meanwhile. Runs under mpirun; rank 0 answers.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { joinWorld, zeros } from 'metal-sgd';
import { answer, given } from '../child';

export interface AverageGiven {
  readonly bytes: number;
  readonly rounds: number;
}

/** Milliseconds. */
export interface AverageFound {
  readonly times: readonly number[];
  readonly p99: number;
}

async function main({ bytes, rounds }: AverageGiven): Promise<void> {
  const world = await joinWorld();
  const gradients = [zeros(bytes / 4)];
  gradients[0].data.fill(1);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await world.barrier();
    if (round === 1) delay.enable();
    const start = performance.now();
    await world.averageGradients(gradients);
    if (round > 0) times.push(performance.now() - start); // the first one warms up
  }
  delay.disable();
  const found: AverageFound = { times, p99: Math.max(0, delay.percentile(99) / 1e6 - 1) };
  if (world.rank === 0) answer(found);
  await world.leave();
}

void main(given() as AverageGiven);
