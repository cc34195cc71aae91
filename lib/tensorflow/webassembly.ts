// The backend `wasm`: the elements of its tensors lie in one memory, where steps read and write them.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import { zeros } from '../index';
import { tf } from './peer';
import { type Floats, give, isSharedWithOthers, type Place } from './place';

/** What the backend has beside what all have. */
interface WebAssemblyBackend {
  typedArrayFromHeap(tensor: TfTensor): Float32Array;
  readonly dataIdMap: { get(dataId: object): { readonly id: number; readonly memoryOffset: number } };
  readonly wasm: {
    readonly tfjs: { disposeData(id: number): void; registerTensor(id: number, size: number, offset: number): void };
  };
}

export const isWebAssembly = (backend: object): backend is WebAssemblyBackend => 'typedArrayFromHeap' in backend;

const backendNow = (): WebAssemblyBackend => tf.engine().backend as unknown as WebAssemblyBackend;

/** Arrays in another place need a new plan, which takes some 30 us a leaf: in that time so many elements are copied. */
const COPIED_EACH = 2 ** 16;

export class Heap implements Place {
  readonly #leaves = new Map<string, Floats>();
  readonly #copies = new Map<string, Floats>();
  #copiesGradients = false;
  copiedBytes = 0;

  begin(pairs: readonly (readonly [Variable, TfTensor])[]): void {
    this.copiedBytes = 0;
    for (const [variable] of pairs) this.#separate(variable);
    const elements = pairs.reduce((sum, [{ size }]) => sum + size, 0);
    this.#copiesGradients = elements <= COPIED_EACH * pairs.length;
  }

  #separate(variable: Variable): void {
    backendNow().typedArrayFromHeap(variable); // comes from the backend before
    if (!isSharedWithOthers(variable)) return;
    const data = variable.dataSync() as Float32Array;
    give(variable, data);
    this.copiedBytes += data.byteLength;
  }

  /** Good until the backend asks for memory. */
  leafOf(variable: Variable): Floats {
    const data = backendNow().typedArrayFromHeap(variable);
    const known = this.#leaves.get(variable.name);
    if (known && isSamePlace(known.data, data) && isSameShape(known, variable)) return known;
    const leaf: Floats = { data, shape: variable.shape, dtype: 'float32' };
    this.#leaves.set(variable.name, leaf);
    return leaf;
  }

  gradientOf(gradient: TfTensor, name: string): Floats {
    const { shape } = gradient;
    const data = backendNow().typedArrayFromHeap(gradient);
    if (!this.#copiesGradients) return { data, shape, dtype: 'float32' };
    const known = this.#copies.get(name);
    const copy = known && isSameShape(known, gradient) ? known : zeros(shape);
    this.#copies.set(name, copy);
    copy.data.set(data);
    this.copiedBytes += data.byteLength;
    return copy;
  }

  /** The backend keeps packed copies of what it multiplied by, until a tensor is disposed. */
  wrote({ dataId, size }: Variable): void {
    const { dataIdMap, wasm } = backendNow();
    const { id, memoryOffset } = dataIdMap.get(dataId);
    wasm.tfjs.disposeData(id); // of its books: the memory stays
    wasm.tfjs.registerTensor(id, size, memoryOffset);
  }
}

const isSameShape = (one: { readonly shape: readonly number[] }, other: TfTensor): boolean =>
  String(one.shape) === String(other.shape);

const isSamePlace = (one: Float32Array, other: Float32Array): boolean =>
  one.buffer === other.buffer && one.byteOffset === other.byteOffset && one.length === other.length;
