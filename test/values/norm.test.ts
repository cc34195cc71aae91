// `globalNorm` against the shape that docs/gradients.md gives, to the bit, and against the exact norm.
import { createHash } from 'node:crypto';
import { globalNorm, SGD, type Tensor, zeros } from '../../lib';
import { native } from '../../lib/addon/native';
import { type Dtype, DTYPES, type LeafData } from '../../lib/tree/dtype';
import { subnormalsOn } from '../helpers/devices';
import { failureOf } from '../helpers/failures';
import { ARRAYS, elementsLike } from '../helpers/leaves';
import { INSTRUCTION_SETS } from '../helpers/machine';
import { fillRandom } from '../helpers/random';

const BLOCK = 4096;
const LANES = 32;

/** Sums of blocks of numbers, each in 128 rows of 32 lanes. */
function level(numbers: LeafData, isFirst: boolean, round: (value: number) => number): number[] {
  const sums: number[] = [];
  for (let first = 0; first < numbers.length; first += BLOCK) {
    const lanes = new Float64Array(LANES);
    const end = Math.min(first + BLOCK, numbers.length);
    for (let i = first; i < end; i++) {
      const number = isFirst ? round(numbers[i] * numbers[i]) : numbers[i];
      const lane = (i - first) % LANES;
      lanes[lane] = round(lanes[lane] + number);
    }
    for (let half = LANES / 2; half >= 1; half /= 2)
      for (let j = 0; j < half; j++) lanes[j] = round(lanes[j] + lanes[j + half]);
    sums.push(lanes[0]);
  }
  return sums;
}

function sumOf(leaves: readonly LeafData[], round: (value: number) => number): number {
  let sums = leaves.flatMap((leaf) => level(leaf, true, round));
  while (sums.length > 1) sums = level(Float64Array.from(sums), false, round);
  return sums[0] ?? 0;
}

/** The norm of leaves that share a dtype, or of float64 leaves beside others. */
function reference(leaves: readonly { dtype: Dtype; data: LeafData }[]): number {
  const wide = leaves.filter(({ dtype }) => dtype === 'float64').map(({ data }) => data);
  const narrow = leaves.filter(({ dtype }) => dtype !== 'float64').map((leaf) => elementsLike('float32', leaf));
  const sum = sumOf(narrow, Math.fround);
  return wide.length === 0 ? Math.fround(Math.sqrt(sum)) : Math.sqrt(sum + sumOf(wide, (value) => value));
}

function leaf(dtype: Dtype, length: number, seed: number): Tensor {
  const data = new ARRAYS[dtype](length);
  // Numbers of moderate size: no square is subnormal.
  const words = new Float32Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = (state / 2 ** 32 - 0.5) * 8;
  }
  data.set(dtype === 'float64' ? Float64Array.from(words) : words);
  if (dtype === 'float16' || dtype === 'bfloat16') fillRandom(dtype, data, seed, false);
  return { data, shape: [length], dtype };
}

afterEach(() => {
  native().chooseInstructionSet(INSTRUCTION_SETS[0]);
});

const LENGTHS = [0, 1, 2, 31, 32, 33, 63, 255, 256, 257, 4095, 4096, 4097, 8192, 65_535, 65_537, 300_000];

describe.each(INSTRUCTION_SETS)('%s', (instructionSet) => {
  test.each(DTYPES)('%s leaves of any length have the norm of the reference', (dtype) => {
    native().chooseInstructionSet(instructionSet);
    for (const length of LENGTHS) {
      const one = leaf(dtype, length, length + 1);
      expect([length, globalNorm(one)]).toEqual([length, reference([one])]);
    }
  });
});

test('a tree of many leaves and dtypes has the norm of the reference', () => {
  for (let seed = 1; seed < 6; seed++) {
    const leaves = Array.from({ length: 200 }, (_, i) =>
      leaf(DTYPES[(i * seed) % 4], (i * 397 * seed) % 9000, seed + i),
    );
    expect(globalNorm(leaves)).toBe(reference(leaves));
  }
});

test('more than 4,096 blocks take a third level', () => {
  const one = leaf('float32', BLOCK * BLOCK + 5, 3);
  expect(globalNorm(one)).toBe(reference([one]));
});

test('any number of threads and any instruction set give one hash', () => {
  const leaves = [leaf('float32', 2_000_003, 1), leaf('bfloat16', 700_001, 2), leaf('float64', 99_999, 3)];
  const hashes = new Set<string>();
  for (const instructionSet of INSTRUCTION_SETS) {
    native().chooseInstructionSet(instructionSet);
    for (let threads = 1; threads <= 8; threads++) {
      native().setThreads(threads);
      hashes.add(
        createHash('sha256')
          .update(Float64Array.of(globalNorm(leaves)))
          .digest('hex'),
      );
    }
  }
  expect(hashes.size).toBe(1);
});

test('padding between leaves of an arena is never read', () => {
  const tree = zeros({ a: 3, b: 5 });
  tree.a.data.fill(2);
  tree.b.data.fill(1);
  const { buffer, byteOffset } = tree.a.data;
  new Float32Array(buffer, byteOffset + 12, 10).fill(1e9);
  expect(globalNorm(tree)).toBe(Math.fround(Math.sqrt(17)));
});

test('25.6 million numbers are within 2e-7 of the exact norm', () => {
  const [length, period] = [25_600_000, 1009]; // no row, lane or block has a period of its own
  const data = new Float32Array(length);
  for (let i = 0; i < period; i++) data[i] = Math.sin(i + 1) * 1.4;
  for (let done = period; done < length; done *= 2) data.copyWithin(done, 0, Math.min(done, length - done));
  const squares = Array.from(data.subarray(0, period), (value) => value * value);
  const sumTo = (count: number): number => squares.slice(0, count).reduce((sum, square) => sum + square, 0);
  const exact = Math.floor(length / period) * sumTo(period) + sumTo(length % period);
  expect(Math.abs(globalNorm(data) / Math.sqrt(exact) - 1)).toBeLessThan(2e-7);
});

test('infinities, NaN and squares that overflow come out as they are', () => {
  expect(globalNorm(Float32Array.of(1, Infinity))).toBe(Infinity);
  expect(globalNorm(Float32Array.of(1, NaN))).toBeNaN();
  expect(globalNorm(Float32Array.of(1e30))).toBe(Infinity);
  expect(globalNorm({ data: Uint16Array.of(0x7bff, 0x7bff), shape: [2], dtype: 'float16' })).toBe(
    Math.fround(Math.sqrt(2 * 65504 ** 2)),
  );
  expect(globalNorm(Float64Array.of(1e30))).toBe(1e30);
  expect(globalNorm({})).toBe(0);
});

test('subnormal squares are flushed where steps flush', () => {
  const isKept = subnormalsOn('auto') === 'keep';
  expect(globalNorm(Float32Array.of(1e-20)) > 0).toBe(isKept);
});

test('memory that a step writes is busy', async () => {
  const tree = zeros({ w: 500_000 });
  const step = new SGD(1).updateAsync(tree, zeros({ w: 500_000 }));
  expect(failureOf(() => globalNorm(tree))).toMatchObject({ code: 'busy' });
  await step;
  expect(globalNorm(tree)).toBe(0);
});
