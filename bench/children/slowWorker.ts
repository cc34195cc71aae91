// Steps of two threads, of which bench/baseline/slow_thread.c slows the other one, over those of one thread.
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';
import { setThreads } from '../internals';

export interface SlowGiven {
  readonly elements: number;
  readonly rounds: number;
}

const ROUND_MS = 5;

function main({ elements, rounds }: SlowGiven): number[] {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { momentum: 0.9, device: 'cpu' });
  optimizer.init(parameters);
  /** Milliseconds of one step. */
  const time = (threads: number): number => {
    setThreads(threads);
    const start = performance.now();
    let [steps, took] = [0, 0];
    for (; took < ROUND_MS; took = performance.now() - start, steps++) optimizer.update(parameters, gradients);
    return took / steps;
  };
  setThreads(2);
  process.env['SLOW_THREADS'] = '1'; // a large step starts the other one
  new SGD(1, { device: 'cpu' }).update([zeros(2 ** 20)], [zeros(2 ** 20)]);
  delete process.env['SLOW_THREADS'];
  const ratios = Array.from({ length: rounds + 1 }, () => {
    const alone = time(1);
    return time(2) / alone;
  });
  return ratios.slice(1); // the first one warmed up
}

answer(main(given() as SlowGiven));
