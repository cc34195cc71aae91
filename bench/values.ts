// The values that every contestant begins with, and the hash by which results are compared; bench/baseline/work.c has the
// same. All values are exact in every dtype, and no step makes a subnormal of them.
import type { Dtype } from 'metal-sgd';
import { bfloat16Value, float16Value } from './half';

export type Data = Float32Array | Float64Array | Uint16Array;

/** What a leaf of each dtype is stored in. */
export const MEMORY = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array };

const HASH_FACTOR = 2654435761;

/**
 * Parameters from -0.5 to 0.5, gradients from -0.016 to 0.016, by the number of the element in its tree. One array after
 * the other, as the C program does: which physical pages lie side by side depends on who is written first.
 */
export function fill(parameters: readonly Data[], gradients: readonly Data[], dtype: Dtype): void {
  fillWith(parameters, dtype, parameterOf);
  fillGradients(gradients, dtype, 0);
}

/** Tree `which` of a step that takes several: each is shifted by one element against the one before. */
export function fillGradients(leaves: readonly Data[], dtype: Dtype, which: number): void {
  fillWith(leaves, dtype, gradientOf, which);
}

/** The first parameter and the gradient of an element, by its number in the tree. */
export function valuesOf(number: number): { parameter: number; gradient: number } {
  const hash = Math.imul(number, HASH_FACTOR);
  return { parameter: parameterOf(hash), gradient: gradientOf(hash) };
}

const parameterOf = (hash: number): number => ((hash >>> 24) - 128) / 256;
const gradientOf = (hash: number): number => (2 * ((hash >>> 16) & 127) - 127) / 8192;

function fillWith(leaves: readonly Data[], dtype: Dtype, value: (hash: number) => number, from = 0): void {
  const store = STORES[dtype];
  let number = from;
  for (const leaf of leaves) {
    for (let i = 0; i < leaf.length; i++, number++) leaf[i] = store(value(Math.imul(number, HASH_FACTOR)));
  }
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** What stands in memory for a value; right for the values above, which need no rounding. */
const STORES: Readonly<Record<Dtype, (value: number) => number>> = {
  float32: (value) => value,
  float64: (value) => value,
  bfloat16: (value) => {
    single[0] = value;
    return bits[0] >>> 16;
  },
  float16: (value) => {
    single[0] = value;
    const magnitude = bits[0] & 0x7fffffff;
    return (value < 0 ? 0x8000 : 0) | (magnitude === 0 ? 0 : (magnitude - 0x38000000) >>> 13);
  },
};

/** The value of every so manieth element, 64 at most, of leaves in their order. */
export function someValues(leaves: readonly Data[], dtype: Dtype): number[] {
  const total = leaves.reduce((sum, { length }) => sum + length, 0);
  const every = Math.ceil(total / 64);
  let number = 0;
  return leaves.flatMap((leaf) => {
    const values: number[] = [];
    const first = (every - (number % every)) % every;
    for (let i = first; i < leaf.length; i += every) values.push(VALUES[dtype](leaf[i]));
    number += leaf.length;
    return values;
  });
}

const VALUES: Readonly<Record<Dtype, (stored: number) => number>> = {
  float32: (stored) => stored,
  float64: (stored) => stored,
  bfloat16: bfloat16Value,
  float16: float16Value,
};

/** FNV-1a over 32-bit words, over 16-bit words for 16-bit items. */
export function hashOf(leaves: readonly Data[]): number {
  let hash = 2166136261;
  for (const leaf of leaves) {
    const words = leaf instanceof Uint16Array ? leaf : wordsOf(leaf);
    for (const word of words) hash = Math.imul(hash ^ word, 16777619);
  }
  return hash >>> 0;
}

function wordsOf({ buffer, byteOffset, byteLength }: Data): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}
