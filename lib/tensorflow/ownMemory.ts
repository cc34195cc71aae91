// Variables in memory of the package's: the backend `cpu` keeps it as its own, others get a copy.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import { zeros } from '../index';
import { tf } from './peer';
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
    this.copiedBytes += leaf.data.byteLength;
    if (showsArrays()) give(variable, leaf.data);
    held.dataId = variable.dataId;
  }

  gradientOf(gradient: TfTensor): Floats {
    const data = gradient.dataSync() as Float32Array;
    if (!isShown(gradient, data)) this.copiedBytes += data.byteLength;
    return { data, shape: gradient.shape, dtype: 'float32' };
  }

  wrote(variable: Variable): void {
    const held = this.#held.get(variable.name);
    if (!held || isShown(variable, held.leaf.data)) return;
    give(variable, held.leaf.data.slice()); // a backend may read it late, or keep it beside a copy
    held.dataId = variable.dataId;
    this.copiedBytes += held.leaf.data.byteLength;
  }
}

/** True on the backend that keeps the arrays that it is given: what a step writes there is seen. */
const showsArrays = (): boolean => tf.getBackend() === 'cpu';

const isShown = (tensor: TfTensor, data: object): boolean => showsArrays() && tensor.dataSync() === data;
