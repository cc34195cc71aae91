// float16 and bfloat16 by their definition (IEEE 754, round to nearest even), in plain number arithmetic: nothing of the
// addon's bit tricks.
/** A 16-bit format: bits of the significand with the hidden one, and the exponent of its smallest normal number. */
export interface HalfFormat {
  readonly precision: number;
  readonly minExponent: number;
  /** Bits of infinity; what is above is a NaN. */
  readonly infinity: number;
}

export const FLOAT16: HalfFormat = { precision: 11, minExponent: -14, infinity: 0x7c00 };
export const BFLOAT16: HalfFormat = { precision: 8, minExponent: -126, infinity: 0x7f80 };

/** The number that `bits` stand for. */
export function widen(bits: number, { precision, minExponent, infinity }: HalfFormat): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const magnitude = bits & 0x7fff;
  if (magnitude > infinity) return NaN;
  if (magnitude === infinity) return sign * Infinity;
  const hidden = 2 ** (precision - 1);
  const biased = Math.floor(magnitude / hidden);
  const fraction = magnitude % hidden;
  const quantum = 2 ** (minExponent - (precision - 1));
  return sign * (biased === 0 ? fraction * quantum : (hidden + fraction) * 2 ** (biased - 1) * quantum);
}

/** 2 ** (i - 160): `**` with a variable exponent is slow enough to show. */
const POWERS = Float64Array.from({ length: 321 }, (_, i) => 2 ** (i - 160));

// In Jest every look at a global goes through its sandbox: loops over elements take what they need once.
const { abs, floor, max, min } = Math;
const { isNaN } = Number;

const double = new Float64Array(1);
const doubleBits = new Uint32Array(double.buffer);

/** The bits nearest to `value`; of two equally near ones, the even. */
export function narrow(value: number, { precision, minExponent, infinity }: HalfFormat): number {
  double[0] = value;
  const bits = doubleBits[1]; // the upper half: every machine that Node runs on is little-endian
  const sign = (bits >>> 31) << 15;
  if (isNaN(value)) return sign | (infinity + 1);
  if (abs(value) >= 2 ** 128) return sign | infinity;
  const exponent = max(((bits >>> 20) & 0x7ff) - 1023, minExponent);
  const quanta = roundToEven(abs(value) / POWERS[exponent - (precision - 1) + 160]);
  // The hidden bit and a carry of the rounding both add one to the exponent's field, as they must.
  return sign | min((exponent - minExponent) * (1 << (precision - 1)) + quanta, infinity);
}

function roundToEven(value: number): number {
  const below = floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
