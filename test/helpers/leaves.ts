// Leaves of every kind that users have, made from plain elements.
import { types } from 'node:util';
import { assign, type Leaf, type Tensor, zeros } from '../../lib';
import { type Dtype, type LeafData, viewOf } from '../../lib/tree/dtype';

/** Bare typed array, `Tensor` in memory of the caller's, or `Tensor` made by `zeros`. */
export type LeafKind = 'bare' | 'tensor' | 'arena';

type ArrayOn = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => LeafData;

const Float16 = (globalThis as { Float16Array?: ArrayOn }).Float16Array;

/** Kinds of leaf that hold this dtype on this runtime: bfloat16 has no typed array, float16 has one from Node 24 on. */
export function kindsOf(dtype: Dtype): LeafKind[] {
  const hasBare = dtype === 'float16' ? Float16 !== undefined : dtype !== 'bfloat16';
  return hasBare ? ['bare', 'tensor', 'arena'] : ['tensor', 'arena'];
}

/** The typed array that keeps a dtype's elements, 16-bit ones as words. */
export const ARRAYS = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array };

/** Elements over the bytes, whatever their alignment was. */
export function elementsOf(dtype: Dtype, bytes: Uint8Array): LeafData {
  return new ARRAYS[dtype](Uint8Array.from(bytes).buffer);
}

/** A leaf with these elements; `shared` puts it in a SharedArrayBuffer. */
export function makeLeaf(kind: LeafKind, dtype: Dtype, elements: LeafData, shared = false): Leaf {
  if (kind === 'arena') {
    const tensor = zeros([elements.length], dtype) as Tensor;
    tensor.data.set(elements);
    return tensor;
  }
  const buffer = shared ? new SharedArrayBuffer(elements.byteLength) : new ArrayBuffer(elements.byteLength);
  const data = viewOf(dtype, buffer, 0, elements.length);
  data.set(elements);
  return leafOver(kind, dtype, data);
}

/** A bare typed array or a one-axis `Tensor` over `data`, which it shares. */
export function leafOver(kind: 'bare' | 'tensor', dtype: Dtype, data: LeafData): Leaf {
  if (kind === 'tensor') return { data, shape: [data.length], dtype };
  if (dtype !== 'float16' || !Float16) return data as Float32Array | Float64Array;
  return new Float16(data.buffer, data.byteOffset, data.length) as unknown as Leaf;
}

/** The elements of a leaf, 16-bit ones as words, in the leaf's own memory. */
export function dataOf(leaf: Leaf): LeafData {
  if (!ArrayBuffer.isView(leaf)) return leaf.data;
  if (types.isFloat32Array(leaf) || types.isFloat64Array(leaf)) return leaf;
  const { buffer, byteOffset, length } = leaf as unknown as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}

/** The elements of an array in another dtype that holds them all. */
export function elementsLike(dtype: Dtype, from: { readonly dtype: Dtype; readonly data: LeafData }): LeafData {
  const target = new ARRAYS[dtype](from.data.length);
  assign(
    { data: target, shape: [target.length], dtype },
    {
      data: from.data,
      shape: [target.length],
      dtype: from.dtype,
    },
  );
  return target;
}
