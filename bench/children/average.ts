// Means of gradients over the ranks of a job, and how late the event loop is meanwhile, and beside a thread that only spins.
// Runs under mpirun; rank 0 answers.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { joinWorld, zeros } from 'metal-sgd';
import { answer, given } from '../child';

export interface AverageGiven {
  readonly bytes: number;
  readonly rounds: number;
}

/** Milliseconds. */
export interface AverageFound {
  readonly times: readonly number[];
  /** Of 4 KB. */
  readonly small: readonly number[];
  /** The 99th percentile of the event loop's delay, beyond that beside spinning threads. */
  readonly late: number;
}

/** Rounds until the results of earlier ones have been collected, and their memory comes again. */
const WARM_UP = 4;

/** Elements. */
const SMALL = 1000;

async function main({ bytes, rounds }: AverageGiven): Promise<void> {
  const world = await joinWorld();
  const timesOf = async (length: number, rounds: number): Promise<number[]> => {
    const gradients = [zeros(length)];
    gradients[0].data.fill(1);
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await world.barrier();
      const start = performance.now();
      await world.averageGradients(gradients);
      times.push(performance.now() - start);
    }
    return times;
  };
  const small = (await timesOf(SMALL, 200)).slice(100);
  await timesOf(bytes / 4, WARM_UP);
  let times: readonly number[] = [];
  const delay = await delayBeside(async () => {
    times = await timesOf(bytes / 4, rounds);
  });
  await world.barrier();
  const spinning = await delayBeside(() => spin(times.reduce((sum, one) => sum + one, 0)));
  if (world.rank === 0) answer({ times, small, late: Math.max(0, delay - spinning) } satisfies AverageFound);
  await world.leave();
}

/** The 99th percentile of the event loop's delay, in milliseconds. */
async function delayBeside(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / 1e6;
}

function spin(milliseconds: number): Promise<unknown> {
  const code = `const end = Date.now() + ${String(milliseconds)}; while (Date.now() < end);`;
  return new Promise<unknown>((resolve, reject) => {
    new Worker(code, { eval: true }).on('exit', resolve).on('error', reject);
  });
}

void main(given() as AverageGiven);
