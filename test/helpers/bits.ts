// Comparison to the bit, of leaves and of any other memory.
import type { Dtype, LeafData } from '../../lib/tree/dtype';

// Taken once: see half.ts.
const { is } = Object;
const { isNaN } = Number;

const isNanBits: Record<Dtype, (array: LeafData, i: number) => boolean> = {
  float32: (array, i) => isNaN(array[i]),
  float64: (array, i) => isNaN(array[i]),
  float16: (array, i) => (array[i] & 0x7fff) > 0x7c00,
  bfloat16: (array, i) => (array[i] & 0x7fff) > 0x7f80,
};

/** The memory of a view, as bytes. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A copy of the elements, in memory of its own. */
export function copied<A extends LeafData>(array: A): A {
  return array.slice() as A;
}

/** Index of the first element whose bits differ, any NaN being equal to any NaN; -1 if there is none. */
export function firstDifference(dtype: Dtype, actual: LeafData, expected: LeafData): number {
  if (actual.length !== expected.length) return 0;
  const isNan = isNanBits[dtype];
  for (let i = 0; i < actual.length; i++) {
    // Object.is tells -0 from 0 and takes all NaNs for one; words have neither.
    if (!is(actual[i], expected[i]) && !(isNan(actual, i) && isNan(expected, i))) return i;
  }
  return -1;
}

/** Fails, and says where, unless the two hold the same bits (any NaN equals any NaN). */
export function expectSameBits(dtype: Dtype, actual: LeafData, expected: LeafData, what: string): void {
  const i = firstDifference(dtype, actual, expected);
  if (i < 0) return;
  const show = (array: LeafData): string => `${String(array[i])} of ${String(array.length)} elements`;
  throw new Error(`${what}[${String(i)}] (${dtype}): expected ${show(expected)}, received ${show(actual)}`);
}

/** Fails unless every bit of memory is the same, NaN payloads too. */
export function expectSameBytes(actual: ArrayBufferView, expected: ArrayBufferView, what: string): void {
  if (Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0) return;
  const i = bytesOf(actual).findIndex((byte, at) => byte !== bytesOf(expected)[at]);
  throw new Error(`${what}: byte ${String(i)} of ${String(actual.byteLength)} was changed`);
}
