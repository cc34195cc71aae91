// Measures how late the event loop is while steps run off the main thread, the first one included: on a GPU it compiles.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';

interface Given {
  readonly elements: number;
  readonly steps: number;
  /** Default `auto`. */
  readonly device?: 'gpu';
}

/** Milliseconds. */
export interface DelayFound {
  readonly p99: number;
  readonly most: number;
  /** From the first call to the end of the last step. */
  readonly took: number;
}

async function main({ elements, steps, device }: Given): Promise<DelayFound> {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  gradients[0].data.fill(1e-3);
  const optimizer = new SGD(0.1, { momentum: 0.9, device });
  optimizer.init(parameters);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await sleep(50); // the memory's own garbage
  delay.enable();
  const start = performance.now();
  for (let i = 0; i < steps; i++) await optimizer.updateAsync(parameters, gradients);
  const took = performance.now() - start;
  await sleep(20);
  delay.disable();
  // The histogram holds what lies between two timers of a millisecond.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1);
  return { p99: late(delay.percentile(99)), most: late(delay.max), took };
}

void main(given() as Given).then(answer);
