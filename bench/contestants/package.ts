// metal-sgd as a user runs it: whole calls, checks included, in each of the ways that it can be used.
import { type Dtype, devices, SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import type { Case, Contestant, Outcome, Runner } from '../contestant';
import { setThreads } from '../internals';
import { type Usage, usageName } from '../selection';
import { type Data, fill, hashOf, MEMORY, someValues } from '../values';

/** The package used in one way. */
export function metalSgd(usage: Usage): Contestant {
  return {
    name: usageName(usage),
    open: (given) => Promise.resolve(refusal(given, usage) ?? new PackageRunner(given, usage)),
    close: () => Promise.resolve(),
  };
}

/** Why the package can't be used so. */
function refusal({ dtype }: Case, { layout, verb, device }: Usage): string | undefined {
  if (verb === 'updateAsync' && layout === 'plain') return 'updateAsync takes shared memory only';
  if (device !== 'gpu') return undefined;
  if (!devices().some(({ type }) => type === 'gpu')) return 'there is no GPU';
  return dtype === 'float64' ? 'Metal has no double' : undefined;
}

/** Instead of hashes of masters and averages. */
const NO_FEATURES = [0, 0];

const dataOf = (leaves: readonly Tensor[]): Data[] => leaves.map(({ data }) => data);

class PackageRunner implements Runner {
  #parameters: readonly Tensor[];
  #gradients: readonly Tensor[];
  readonly #optimizer: SGD;
  readonly #dtype: Dtype;
  readonly #threads: number;
  readonly #verb: Usage['verb'];

  constructor({ model, dtype, rule, threads }: Case, { layout, verb, device }: Usage) {
    this.#parameters = allocate(model.shapes, dtype, layout);
    this.#gradients = layout === 'arena' ? zerosLike(this.#parameters) : allocate(model.shapes, dtype, layout);
    fill(dataOf(this.#parameters), dataOf(this.#gradients), dtype);
    const { learningRate, momentum, weightDecay, dampening, nesterov } = rule;
    this.#optimizer = new SGD(learningRate, { momentum, weightDecay, dampening, nesterov, device });
    this.#dtype = dtype;
    this.#threads = threads;
    this.#verb = verb;
  }

  async time(steps: number): Promise<number> {
    setThreads(this.#threads);
    const [optimizer, gradients] = [this.#optimizer, this.#gradients];
    let parameters = this.#parameters;
    const start = process.hrtime.bigint();
    if (this.#verb === 'update') {
      for (let i = 0; i < steps; i++) optimizer.update(parameters, gradients);
    } else if (this.#verb === 'updateAsync') {
      for (let i = 0; i < steps; i++) await optimizer.updateAsync(parameters, gradients);
    } else {
      for (let i = 0; i < steps; i++) parameters = optimizer.applyGradients(gradients, parameters);
    }
    const end = process.hrtime.bigint();
    this.#parameters = parameters;
    return Number(end - start);
  }

  outcome(): Promise<Outcome> {
    const { parameters } = this.#optimizer.state;
    const velocities = (parameters as { v?: Tensor }[]).flatMap(({ v }) => v ?? []);
    const data = dataOf(this.#parameters);
    return Promise.resolve({
      hashes: [hashOf(data), velocities.length > 0 ? hashOf(dataOf(velocities)) : 0, ...NO_FEATURES],
      values: someValues(data, this.#dtype),
    });
  }

  close(): Promise<void> {
    this.#parameters = [];
    this.#gradients = [];
    return Promise.resolve();
  }
}

function allocate(shapes: Case['model']['shapes'], dtype: Dtype, layout: Usage['layout']): Tensor[] {
  if (layout === 'arena') return zeros(shapes, dtype);
  const Memory = MEMORY[dtype];
  return shapes.map((shape) => {
    const count = shape.reduce((product, axis) => product * axis, 1);
    const bytes = count * Memory.BYTES_PER_ELEMENT;
    const buffer = layout === 'shared' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    return { data: new Memory(buffer as ArrayBuffer), shape, dtype };
  });
}
