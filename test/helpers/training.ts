// A training run on the GPU with the oracle's beside it: any step can fail, be taken back, and be taken again.
import { clone, type Leaf, SGD, type Tensor, zeros, zerosLike } from '../../lib';
import { type Dtype, type LeafData, viewOf } from '../../lib/tree/dtype';
import { bytesOf, copied, expectSameBits, expectSameBytes } from './bits';
import { ARRAYS, dataOf, leafOver } from './leaves';
import { oracleStep } from './oracle';
import { fillRandom } from './random';

/** The oracle's leaf, and where ours are. */
interface Expected {
  readonly name: string;
  readonly dtype: Dtype;
  readonly w: LeafData;
  readonly v: LeafData;
}

type Leaves = Record<string, Leaf>;

/** Leaves to train: name, dtype, elements, kept in the order given. */
export type LeafList = readonly (readonly [name: string, dtype: Dtype, length: number])[];

/** All leaves of one dtype lie in one arena; `bystander` has no gradient. */
function makeLeaves(list: LeafList): Leaves {
  const leaves: Leaves = {};
  for (const dtype of new Set(list.map(([, one]) => one))) {
    const ours = list.filter(([, one]) => one === dtype);
    Object.assign(leaves, zeros(Object.fromEntries(ours.map(([name, , length]) => [name, length])), dtype));
  }
  return leaves;
}

/** A tensor with the elements of another, in shared memory that is no arena. */
export function elsewhere(leaf: Leaf): Leaf {
  const { data, dtype } = leaf as Tensor;
  const copy = viewOf(dtype, new SharedArrayBuffer(data.byteLength), 0, data.length);
  copy.set(data);
  return leafOver('tensor', dtype, copy);
}

export class Training {
  optimizer = new SGD(0.1, { momentum: 0.9, weightDecay: 0.01, dampening: 0.9, device: 'gpu' });
  readonly parameters: Leaves;
  gradients: Leaves;
  readonly bystander: Tensor<'float32'>;
  readonly #expected: readonly Expected[];
  readonly #bystanderBefore: Uint8Array;
  /** The same object at every step, so that its plan stays. */
  readonly #tree: Leaves;

  /** `wrap` may move leaves into other memory than that of `zeros`. */
  constructor(list: LeafList, wrap: (leaf: Leaf) => Leaf = (leaf) => leaf) {
    const { bystander, ...leaves } = makeLeaves([['bystander', 'float32', 333], ...list]);
    list.forEach(([name, dtype], i) => {
      fillRandom(dtype, dataOf(leaves[name]), 100 + i, false);
    });
    this.bystander = bystander as Tensor<'float32'>;
    fillRandom('float32', this.bystander.data, 99, true);
    this.#bystanderBefore = bytesOf(this.bystander.data).slice();
    this.parameters = Object.fromEntries(list.map(([name]) => [name, wrap(leaves[name])]));
    this.#tree = { ...this.parameters, bystander };
    const gradients = zerosLike(leaves);
    this.gradients = Object.fromEntries(list.map(([name]) => [name, wrap(gradients[name])]));
    this.#expected = list.map(([name, dtype]) => {
      const data = dataOf(this.parameters[name]);
      return { name, dtype, w: copied(data), v: new ARRAYS[dtype](data.length) };
    });
  }

  /** The next gradients, in the same arrays; the same for the same number. */
  fillGradients(number: number): void {
    this.#expected.forEach(({ name, dtype }, i) => {
      fillRandom(dtype, dataOf(this.gradients[name]), 1000 * number + i, false);
    });
  }

  /** Steps on our side; the oracle waits for `accept`. */
  async step(way: 'update' | 'updateAsync'): Promise<void> {
    if (way === 'update') this.optimizer.update(this.#tree, this.gradients);
    else await this.optimizer.updateAsync(this.#tree, this.gradients);
  }

  /** The oracle takes the step too, and every bit is compared. */
  accept(): void {
    const { momentum, weightDecay, dampening, nesterov, learningRate } = this.optimizer;
    const given = { learningRate, momentum, weightDecay, dampening, nesterov };
    for (const { name, dtype, w, v } of this.#expected) {
      const gradient = dataOf(this.gradients[name]);
      oracleStep(dtype, given, w, gradient, momentum > 0 ? v : undefined, dtype === 'float64' ? 'keep' : 'flush');
      expectSameBits(dtype, dataOf(this.parameters[name]), w, `parameter ${name}`);
      const kept = this.#velocity(name);
      if (momentum > 0 || kept) expectSameBits(dtype, dataOf(kept as Leaf), v, `v of ${name}`);
    }
    this.expectBystanderUntouched();
  }

  expectBystanderUntouched(): void {
    expectSameBytes(this.bystander.data, this.#bystanderBefore, 'a parameter without a gradient');
  }

  /** Fails unless parameters and velocities are what they were before the step. */
  expectNothingWritten(): void {
    for (const { name, w, v } of this.#expected) {
      expectSameBytes(dataOf(this.parameters[name]), bytesOf(w), `parameter ${name}`);
      const kept = this.#velocity(name);
      if (kept) expectSameBytes(dataOf(kept), bytesOf(v), `v of ${name}`);
    }
  }

  /** Parameters and velocities as they were before a step that failed. */
  takeBack(): void {
    for (const { name, w, v } of this.#expected) {
      dataOf(this.parameters[name]).set(w);
      const kept = this.#velocity(name);
      if (kept) dataOf(kept).set(v);
    }
  }

  /** Another optimizer with the same settings and state. */
  replaceOptimizer(): void {
    const { learningRate, momentum, weightDecay, dampening, device } = this.optimizer;
    const next = new SGD(learningRate, { momentum, weightDecay, dampening, device });
    next.state = clone(this.optimizer.state);
    this.optimizer = next;
  }

  #velocity(name: string): Leaf | undefined {
    return (this.optimizer.state.parameters as Record<string, { v?: Leaf } | undefined>)[name]?.v;
  }
}
