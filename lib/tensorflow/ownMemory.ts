// Variables in memory of the package's: the backend `cpu` keeps it as its own, others get a copy.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import { zeros } from '../index';
import { type Floats, give, isSharedWithOthers, type Place } from './place';

/** A variable and the leaf with its elements. */
interface Held {
  readonly variable: Variable;
  readonly leaf: Floats;
  /** What the variable held when its elements were last those of the leaf. */
  dataId: object;
}

export class OwnMemory implements Place {
  readonly #held = new Map<string, Held>();
  copiedBytes = 0;

  begin(pairs: readonly (readonly [Variable, TfTensor])[]): void {
    this.copiedBytes = 0;
    for (const [variable] of pairs) if (isSharedWithOthers(variable)) this.#held.delete(variable.name);
  }

  leafOf(variable: Variable): Floats {
    const known = this.#held.get(variable.name);
    const held = known?.variable === variable ? known : this.#hold(variable);
    if (held.dataId !== variable.dataId) this.#takeUp(held);
    return held.leaf;
  }

  #hold(variable: Variable): Held {
    const held = { variable, leaf: zeros(variable.shape), dataId: {} };
    this.#held.set(variable.name, held);
    return held;
  }

  /** Somebody has written the variable: its elements go to the leaf. */
  #takeUp(held: Held): void {
    const { variable, leaf } = held;
    leaf.data.set(variable.dataSync());
    this.#give(held, leaf.data);
  }

  gradientOf(gradient: TfTensor): Floats {
    const data = gradient.dataSync() as Float32Array;
    if (!isShown(gradient, data)) this.copiedBytes += data.byteLength;
    return { data, shape: gradient.shape, dtype: 'float32' };
  }

  wrote(variable: Variable): void {
    const held = this.#held.get(variable.name);
    // Backends may read what they are given long after.
    if (held && !isShown(variable, held.leaf.data)) this.#give(held, held.leaf.data.slice());
  }

  #give(held: Held, data: Float32Array): void {
    give(held.variable, data);
    held.dataId = held.variable.dataId;
    this.copiedBytes += data.byteLength;
  }
}

/** True where the backend keeps the very array: what a step writes there is seen. */
const isShown = (tensor: TfTensor, data: object): boolean => tensor.dataSync() === data;
