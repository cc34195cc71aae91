// How long steps off the main thread keep the event loop waiting, the first one (which compiles, where there is a GPU) too.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SGD, zeros, zerosLike } from 'metal-sgd';

/** Milliseconds. */
const GOAL = 5;

/** One line: the 99th percentile and the maximum of the event loop's delay while `elements` are stepped. */
export async function delayLines(elements: number, steps = 20): Promise<string[]> {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await sleep(50); // the memory's own garbage
  delay.enable();
  for (let i = 0; i < steps; i++) await optimizer.updateAsync(parameters, gradients);
  await sleep(20);
  delay.disable();
  // The histogram holds what lies between two timers of a millisecond.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1);
  const p99 = late(delay.percentile(99));
  const verdict = p99 < GOAL ? 'reached' : 'missed';
  return [
    `updateAsync, ${String(elements)} elements, ${String(steps)} steps: event loop late by ${p99.toFixed(2)} ms (p99), ` +
      `${late(delay.max).toFixed(2)} ms at most; goal under ${String(GOAL)} ms ${verdict}`,
  ];
}
