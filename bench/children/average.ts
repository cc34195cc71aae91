// Means of gradients over the ranks of a job; steps by such means, and how late the event loop is beside them and beside a
// thread that only spins. Runs under mpirun; rank 0 answers.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { joinWorld, SGD, zeros } from 'metal-sgd';
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
  readonly steps: readonly number[];
  /** The 99th percentile of the event loop's delay beside steps, beyond that beside spinning threads. */
  readonly late: number;
}

/** Rounds until the results of earlier ones have been collected, and their memory comes again. */
const WARM_UP = 4;

/** Elements. */
const SMALL = 1000;

async function main({ bytes, rounds }: AverageGiven): Promise<void> {
  const world = await joinWorld();
  const timesOf = async (rounds: number, work: () => Promise<unknown>): Promise<number[]> => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await world.barrier();
      const start = performance.now();
      await work();
      times.push(performance.now() - start);
    }
    return times;
  };
  const tiny = [zeros(SMALL)];
  const small = (await timesOf(200, () => world.averageGradients(tiny))).slice(100);
  const [parameters, gradients] = [[zeros(bytes / 4)], [zeros(bytes / 4)]];
  gradients[0].data.fill(1);
  const average = (): Promise<unknown> => world.averageGradients(gradients);
  const times = (await timesOf(WARM_UP + rounds, average)).slice(WARM_UP);
  const optimizer = new SGD(0.1, { world, device: 'cpu' });
  const step = (): Promise<unknown> => optimizer.updateAsync(parameters, gradients);
  await timesOf(WARM_UP, step);
  let steps: readonly number[] = [];
  const delay = await delayBeside(async () => {
    steps = await timesOf(rounds, step);
  });
  await world.barrier();
  const spinning = await delayBeside(() => spin(steps.reduce((sum, one) => sum + one, 0)));
  if (world.rank === 0) answer({ times, small, steps, late: Math.max(0, delay - spinning) } satisfies AverageFound);
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
