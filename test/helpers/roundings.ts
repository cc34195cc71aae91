// Where rounding to 16 bits is decided: halfway between neighbours, and one float32 away from there on either side.
import type { HalfFormat } from './half';
import { valuesOf } from './oracle';

export interface Rounding {
  /** A float32 number. */
  readonly value: number;
  /** Its nearest 16-bit number; of two, the one whose last bit is 0. */
  readonly bits: number;
}

const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** The float32 number `count` steps away from zero (towards it, if negative). */
function neighbour(value: number, count: number): number {
  single[0] = value;
  word[0] += count;
  return single[0];
}

/** Three cases above each finite number of the format, of either sign by turns; the last ones round to infinity. */
export function roundings(format: HalfFormat): Rounding[] {
  const values = valuesOf(format);
  return Array.from({ length: format.infinity }, (_, below) => {
    const step = below + 1 < format.infinity ? values[below + 1] - values[below] : values[below] - values[below - 1];
    const halfway = values[below] + step / 2;
    const sign = below % 2;
    const signed = (value: number, bits: number): Rounding => ({
      value: sign ? -value : value,
      bits: bits | (sign << 15),
    });
    return [
      signed(neighbour(halfway, -1), below),
      signed(halfway, below % 2 === 0 ? below : below + 1),
      signed(neighbour(halfway, 1), below + 1),
    ];
  }).flat();
}
