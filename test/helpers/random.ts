// Random elements from a seed: ordinary ones, and with `hostile` every bit pattern that arithmetic can trip over.
import { type Dtype, type LeafData } from '../../lib/tree/dtype';
import { bytesOf } from './bits';
import { BFLOAT16, FLOAT16, narrow } from './half';

// Taken once: see half.ts.
const { imul } = Math;

/** Whole numbers from 0 to 2^31 - 1, the same for the same seed (mulberry32; small, so that they stay machine words). */
export function randomWords(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= (mixed + imul(mixed ^ (mixed >>> 7), mixed | 61)) | 0;
    return (mixed ^ (mixed >>> 14)) & 0x7fffffff;
  };
}

const SPECIAL = [
  0,
  -0,
  1,
  -1,
  NaN,
  Infinity,
  -Infinity,
  2 ** -126,
  -(2 ** -130),
  2 ** -149,
  2 ** 127,
  -(2 ** -24),
  65504,
];

/** Fills `data` in place. A hostile element is a special value or any bits at all, in one case of four. */
export function fillRandom(dtype: Dtype, data: LeafData, seed: number, hostile: boolean): void {
  const word = randomWords(seed);
  const bytes = bytesOf(data);
  const item = data.BYTES_PER_ELEMENT;
  for (let i = 0; i < data.length; i++) {
    const choice = word();
    if (hostile && choice % 8 === 0) {
      for (let k = 0; k < item; k++) bytes[i * item + k] = word() & 0xff;
      continue;
    }
    const ordinary = (word() / 0x40000000 - 1) * (1 << ((choice >>> 8) % 6));
    const value = hostile && choice % 8 === 1 ? SPECIAL[word() % SPECIAL.length] : ordinary;
    data[i] = dtype === 'float16' ? narrow(value, FLOAT16) : dtype === 'bfloat16' ? narrow(value, BFLOAT16) : value;
  }
}
