// The norm in plain TypeScript, by the shape that docs/gradients.md gives.

const BLOCK = 4096;
const LANES = 32;

/** A list of numbers. */
type Numbers = ArrayLike<number>;
type Round = (value: number) => number;

/** Sums of blocks of numbers, each in 128 rows of 32 lanes. */
function level(numbers: Numbers, isFirst: boolean, round: Round): number[] {
  const sums: number[] = [];
  for (let first = 0; first < numbers.length; first += BLOCK) {
    const lanes = new Float64Array(LANES);
    const end = Math.min(first + BLOCK, numbers.length);
    for (let i = first; i < end; i++) {
      const number = isFirst ? round(round(numbers[i]) * round(numbers[i])) : numbers[i];
      const lane = (i - first) % LANES;
      lanes[lane] = round(lanes[lane] + number);
    }
    for (let half = LANES / 2; half >= 1; half /= 2)
      for (let j = 0; j < half; j++) lanes[j] = round(lanes[j] + lanes[j + half]);
    sums.push(lanes[0]);
  }
  return sums;
}

/** The sum of all squares of the leaves, in order; every operation is rounded by `round`. */
export function sumOfSquares(leaves: readonly Numbers[], round: Round): number {
  let sums = leaves.flatMap((leaf) => level(leaf, true, round));
  while (sums.length > 1) sums = level(sums, false, round);
  return sums[0] ?? 0;
}

/** A norm, and the coefficients that a step clips by: of float32 gradients, and of float64 ones. */
export interface Clipping {
  readonly norm: number;
  readonly largest: number;
  readonly narrow: number;
  readonly wide: number;
  readonly clips: boolean;
}

/** Of the gradients of a step: those that are computed in float32, and those of float64 leaves. */
export function clippingOf(
  narrow: readonly Numbers[],
  wide: readonly Numbers[],
  maxNorm: number | undefined,
  round: Round,
): Clipping {
  const sum = sumOfSquares(narrow, round);
  const most = maxNorm ?? NaN;
  const numbers = [...narrow, ...wide].flatMap((leaf) => Array.from(leaf, Math.abs));
  const largest = numbers.some(Number.isNaN) ? NaN : numbers.reduce((one, other) => Math.max(one, other), 0);
  const isGiven = maxNorm !== undefined && numbers.length > 0; // of no element nothing is clipped
  if (wide.length === 0) {
    const norm = Math.fround(Math.sqrt(sum));
    const coefficient = round(Math.fround(most) / round(norm + Math.fround(1e-6)));
    const clips = isGiven && !(coefficient >= 1);
    return { norm, largest, narrow: coefficient, wide: coefficient, clips };
  }
  const norm = Math.sqrt(sum + sumOfSquares(wide, (value) => value));
  const coefficient = most / (norm + 1e-6);
  const clips = isGiven && !(coefficient >= 1);
  return { norm, largest, narrow: Math.fround(coefficient), wide: coefficient, clips };
}
