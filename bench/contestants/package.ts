// metal-sgd as a user runs it: whole calls of `update`, checks included, on a tree that `zeros` made.
import { type Dtype, SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import type { Case, Contestant, Outcome, Runner } from '../contestant';
import { setThreads } from '../internals';
import { type Data, fill, hashOf, someValues } from '../values';

export const metalSgd: Contestant = {
  name: 'metal-sgd',
  open: (given) => Promise.resolve(new PackageRunner(given)),
  close: () => Promise.resolve(),
};

const dataOf = (leaves: readonly Tensor[]): Data[] => leaves.map(({ data }) => data);

class PackageRunner implements Runner {
  #parameters: readonly Tensor[];
  #gradients: readonly Tensor[];
  readonly #optimizer: SGD;
  readonly #dtype: Dtype;
  readonly #threads: number;

  constructor({ work, dtype, rule, threads }: Case) {
    this.#parameters = zeros(work.shapes, dtype);
    this.#gradients = zerosLike(this.#parameters);
    fill(dataOf(this.#parameters), dataOf(this.#gradients), dtype);
    const { learningRate, momentum, weightDecay, dampening, nesterov } = rule;
    this.#optimizer = new SGD(learningRate, { momentum, weightDecay, dampening, nesterov, device: 'cpu' });
    this.#dtype = dtype;
    this.#threads = threads;
  }

  time(steps: number): Promise<number> {
    setThreads(this.#threads);
    const [optimizer, parameters, gradients] = [this.#optimizer, this.#parameters, this.#gradients];
    const start = process.hrtime.bigint();
    for (let i = 0; i < steps; i++) optimizer.update(parameters, gradients);
    return Promise.resolve(Number(process.hrtime.bigint() - start));
  }

  outcome(): Promise<Outcome> {
    const { parameters } = this.#optimizer.state;
    const velocities = (parameters as { v?: Tensor }[]).flatMap(({ v }) => v ?? []);
    const data = dataOf(this.#parameters);
    return Promise.resolve({
      hashes: [hashOf(data), velocities.length > 0 ? hashOf(dataOf(velocities)) : 0],
      values: someValues(data, this.#dtype),
    });
  }

  close(): Promise<void> {
    this.#parameters = [];
    this.#gradients = [];
    return Promise.resolve();
  }
}
