// The four dtypes: their sizes, and the typed arrays that hold them.
import { types } from 'node:util';

/** Dtype of a leaf. `float16` and `bfloat16` are stored as 16-bit words. */
export type Dtype = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** Any typed array that can hold the elements of a leaf. */
export type LeafData = Float32Array | Float64Array | Uint16Array;

/** Every dtype. */
export const DTYPES: readonly Dtype[] = ['float32', 'float64', 'float16', 'bfloat16'];

/** Bytes of one element. */
export function itemSize(dtype: Dtype): number {
  return dtype === 'float64' ? 8 : dtype === 'float32' ? 4 : 2;
}

/** Name of the typed array that a `Tensor` of this dtype holds. */
export function arrayName(dtype: Dtype): string {
  return dtype === 'float64' ? 'Float64Array' : dtype === 'float32' ? 'Float32Array' : 'Uint16Array';
}

/** True if `value` is the typed array in which a `Tensor` of this dtype keeps its elements. */
export function holds(dtype: Dtype, value: unknown): value is LeafData {
  if (dtype === 'float32') return types.isFloat32Array(value);
  if (dtype === 'float64') return types.isFloat64Array(value);
  return types.isUint16Array(value);
}

/** A view of `length` elements of the dtype on `buffer`; 16-bit dtypes as words. */
export function viewOf(dtype: Dtype, buffer: ArrayBufferLike, byteOffset: number, length: number): LeafData {
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, length);
  if (dtype === 'float64') return new Float64Array(buffer, byteOffset, length);
  return new Uint16Array(buffer, byteOffset, length);
}
