// What a step costs in Metal's calls: counted by the simulator, with kernels that do nothing.
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';
import { type Counters, openSimulator } from '../simulator';
import { modelNamed } from '../models';

export interface Counted {
  readonly model: string;
  readonly copiedBytes: number;
  /** Of one step. */
  readonly counters: Counters;
  /** Milliseconds of each step without those spent inside Metal's calls, which here are the simulator's. */
  readonly outside: readonly number[];
}

const STEPS = 20;

const simulator = openSimulator();
const warm = zeros(64);
new SGD(0.1, { momentum: 0.9, device: 'gpu' }).update(warm, zerosLike(warm)); // proves the device, for which kernels must work
simulator.configure({ emptyKernel: true });
answer((given() as { models: string[] }).models.map(count));

function count(model: string): Counted {
  const parameters = zeros(modelNamed(model)?.shapes ?? []);
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { momentum: 0.9, device: 'gpu' });
  for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
  const before = simulator.counters();
  optimizer.update(parameters, gradients);
  const after = simulator.counters();
  const names = Object.keys(after).filter((name) => typeof after[name] === 'number');
  const counters = Object.fromEntries(names.map((name) => [name, after[name] - before[name]]));
  const outside = Array.from({ length: STEPS }, () => {
    const { callNanoseconds } = simulator.counters();
    const start = performance.now();
    optimizer.update(parameters, gradients);
    const took = performance.now() - start;
    return took - (simulator.counters()['callNanoseconds'] - callNanoseconds) / 1e6;
  });
  return { model, copiedBytes: optimizer.lastRun?.copiedBytes ?? NaN, counters, outside };
}
