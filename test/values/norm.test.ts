// `globalNorm` against the shape that docs/gradients.md gives, to the bit, and against the exact norm.
import { createHash } from 'node:crypto';
import { globalNorm, SGD, type Tensor, zeros } from '../../lib';
import { native } from '../../lib/addon/native';
import { type Dtype, DTYPES, type LeafData } from '../../lib/tree/dtype';
import { subnormalsOn } from '../helpers/devices';
import { failureOf } from '../helpers/failures';
import { ARRAYS, elementsLike } from '../helpers/leaves';
import { INSTRUCTION_SETS } from '../helpers/machine';
import { sumOfSquares } from '../helpers/norm';
import { fillRandom } from '../helpers/random';

const BLOCK = 4096;

/** The norm of leaves that share a dtype, or of float64 leaves beside others. */
function reference(leaves: readonly { dtype: Dtype; data: LeafData }[]): number {
  const wide = leaves.filter(({ dtype }) => dtype === 'float64').map(({ data }) => data);
  const narrow = leaves.filter(({ dtype }) => dtype !== 'float64').map((leaf) => elementsLike('float32', leaf));
  const sum = sumOfSquares(narrow, Math.fround);
  return wide.length === 0 ? Math.fround(Math.sqrt(sum)) : Math.sqrt(sum + sumOfSquares(wide, (value) => value));
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

test('a step measures the same bits, whatever the threads, the instruction set, the memory and the device', () => {
  const shapes = { a: 70_001, b: 1, c: 31, d: 4096, e: 4097, f: 0, g: 20_000 };
  const arena = zeros(shapes);
  Object.values(arena).forEach(({ data }, i) => {
    data.set(leaf('float32', data.length, i + 1).data);
  });
  const apart = Object.fromEntries(Object.entries(arena).map(([key, { data }]) => [key, data.slice()])) as {
    [K in keyof typeof shapes]: Float32Array;
  };
  const seen = new Set<number | undefined>([globalNorm(arena)]);
  for (const instructionSet of INSTRUCTION_SETS) {
    native().chooseInstructionSet(instructionSet);
    for (let threads = 1; threads <= 8; threads++) {
      native().setThreads(threads);
      for (const device of ['auto', 'cpu'] as const) {
        const optimizer = new SGD(0.1, { maxNorm: 1e30, groups: [{ parameters: /[be]/ }], device });
        optimizer.update(zeros(shapes), arena);
        seen.add(optimizer.lastRun?.gradientNorm);
        optimizer.update(zeros(shapes), apart);
        seen.add(optimizer.lastRun?.gradientNorm);
      }
    }
  }
  expect([...seen]).toEqual([globalNorm(apart)]);
});

test('a step of no element has the norm 0, and clips nothing even by 0', () => {
  const optimizer = new SGD(0.1, { maxNorm: 0 });
  for (const gradients of [{}, { w: new Float32Array(0) }]) {
    optimizer.update({ w: new Float32Array(0) }, gradients);
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 0, gradientMax: 0, clipped: false });
  }
});

test('padding between leaves of an arena is never read', () => {
  const tree = zeros({ a: 3, b: 5 });
  tree.a.data.fill(2);
  tree.b.data.fill(1);
  const { buffer, byteOffset } = tree.a.data;
  new Float32Array(buffer, byteOffset + 12, 10).fill(NaN);
  expect(globalNorm(tree)).toBe(Math.fround(Math.sqrt(17)));
  const optimizer = new SGD(1, { nonFinite: 'error' });
  optimizer.update(zeros({ a: 3, b: 5 }), tree);
  expect(optimizer.lastRun).toMatchObject({ gradientNorm: Math.fround(Math.sqrt(17)), gradientMax: 2 });
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
