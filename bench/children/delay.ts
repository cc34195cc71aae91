// How late the event loop is while steps run off the main thread: the first one, which compiles where there is a GPU,
// too.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';

interface Given {
  readonly elements: number;
  readonly steps: number;
}

async function main({ elements, steps }: Given): Promise<void> {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  gradients[0].data.fill(1e-3);
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  optimizer.init(parameters);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await sleep(50); // the memory's own garbage
  delay.enable();
  for (let i = 0; i < steps; i++) await optimizer.updateAsync(parameters, gradients);
  await sleep(20);
  delay.disable();
  // The histogram holds what lies between two timers of a millisecond.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1);
  answer({ p99: late(delay.percentile(99)), most: late(delay.max) });
}

void main(given() as Given);
