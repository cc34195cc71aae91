// Conversions of 16-bit floats in JavaScript: a table to widen, integer arithmetic to narrow.

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** The value of each of the 65,536 words. */
export function wideningTable(dtype: 'float16' | 'bfloat16'): Float32Array {
  return Float32Array.from({ length: 65536 }, (_, word) =>
    dtype === 'float16' ? float16Value(word) : bfloat16Value(word),
  );
}

export function bfloat16Value(word: number): number {
  bits[0] = word << 16;
  return single[0];
}

export function float16Value(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >>> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** To nearest even. */
export function narrowBfloat16(value: number): number {
  single[0] = value;
  const word = bits[0];
  if (value !== value) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** To nearest even. */
export function narrowFloat16(value: number): number {
  single[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  single[0] = Math.abs(value) + 0.5; // the addition rounds at 2^-24, where subnormal halves end
  return sign | (bits[0] - 0x3f000000);
}
