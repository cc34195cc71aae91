// One thread of two gets a quarter of its core, as on a processor with slow cores: what do steps take, against one thread?
import { runChild } from '../child';
import type { SlowGiven } from '../children/slowWorker';
import { compiled } from '../compile';
import { atMost, medianMetric, type Metric } from '../metrics';
import type { Context } from './part';
import { messageOf } from '../errors';

/** Half a job by a quarter of the speed would take twice as long as one thread. */
const GOAL = 1.25;

/** Nothing but on Linux, where a library can slow threads down. */
export function slowWorker({ isSmoke, rounds, processors, watch }: Context): Metric[] {
  if (process.platform !== 'linux' || processors.length === 1) return [];
  let library: string;
  try {
    library = compiled('slow_thread.c', 'slow_thread.so', ['-shared', '-fPIC', '-O1']);
  } catch (error) {
    watch.complain(`steps beside a slow thread are left out: ${messageOf(error)}`);
    return [];
  }
  return (isSmoke ? [1e5] : [1e5, 1e6, 1e7]).map((elements) => {
    const given: SlowGiven = { elements, rounds: isSmoke ? 2 : Math.max(rounds, 11) };
    const ratios = runChild('slowWorker', given, [], { LD_PRELOAD: library }) as number[];
    const name = `${String(elements)} elements, two threads of which one is four times slower, over one thread`;
    return medianMetric({ part: 'under-load', name: `metal-sgd: ${name}`, unit: '', goal: atMost(GOAL) }, ratios);
  });
}
