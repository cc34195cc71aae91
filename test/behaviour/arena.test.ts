// Arenas: where `zeros` puts leaves, and what a step may write around them.
import { arenaOf, leafIndex } from '../../lib/memory/arena';
import { clone, SGD, type Tensor, zeros, zerosLike } from '../../lib/index';
import { constants, native } from '../../lib/addon/native';
import { resultOf } from '../helpers/child';
import { numbers } from '../helpers/memory';
import type * as arenas from '../../lib/memory/arena';

const PAGE = constants().arenaPage;
const addressOf = (data: Float32Array): number => native().addresses([data])[0];
const ones = (length: number): Float32Array => new Float32Array(length).fill(1);

describe('layout', () => {
  test('the first leaf begins at a page, the others at multiples of 256 bytes, close together', () => {
    const alive: unknown[] = [];
    for (let i = 0; i < 40; i++) {
      const tree = zerosLike({ ...zeros({ a: 10, b: [64], c: [3, 5, 7] }), d: zeros([]), e: zeros(1000) });
      alive.push(tree);
      const starts = Object.values(tree).map(({ data }) => addressOf(data));
      expect(starts[0] % PAGE).toBe(0);
      expect(starts.map((start) => start - starts[0])).toEqual([0, 256, 512, 1024, 1280]);
    }
  });

  test.each(['float64', 'float16', 'bfloat16'] as const)('of %s', (dtype) => {
    const { a, b } = zeros({ a: 33, b: 1 }, dtype);
    expect(b.data.byteOffset - a.data.byteOffset).toBe(dtype === 'float64' ? 512 : 256);
    expect([a.data.length, b.data.length]).toEqual([33, 1]);
  });

  test('one growable buffer per call, with no room to grow', () => {
    const { a, b } = zeros({ a: 10, b: 20 });
    const buffer = a.data.buffer as unknown as SharedArrayBuffer;
    expect(b.data.buffer).toBe(buffer);
    expect([buffer.growable, buffer.maxByteLength]).toEqual([true, buffer.byteLength]);
    expect(zeros(10).data.buffer).not.toBe(buffer);
    expect(buffer.byteLength - a.data.byteOffset).toBeGreaterThanOrEqual(PAGE);
  });

  test('clone and zerosLike lay out as zeros does', () => {
    const { a, b } = clone({ a: ones(100), b: ones(100) });
    expect([addressOf(a) % PAGE, b.byteOffset - a.byteOffset]).toEqual([0, 512]);
  });

  test('4 GiB and more, in a buffer that cannot grow', () => {
    const found = resultOf(({ sgd }) => {
      const { data } = sgd.zeros([2 ** 30 + 1]);
      data[2 ** 30] = 1;
      const { growable } = data.buffer as unknown as SharedArrayBuffer;
      return { growable, length: data.length, last: data[2 ** 30] };
    });
    expect(found).toEqual({ growable: false, length: 2 ** 30 + 1, last: 1 });
  });
});

describe('the arena of a buffer', () => {
  test('is found through another SharedArrayBuffer of the same memory', () => {
    const { data } = zeros({ a: 5, b: 6 }).b;
    const twin = structuredClone(data);
    expect(twin.buffer).not.toBe(data.buffer);
    const [arena, same] = [arenaOf(data.buffer), arenaOf(twin.buffer)];
    expect(same).toEqual(arena);
    expect(same && leafIndex(same, twin.byteOffset, twin.byteLength)).toBe(1);
  });

  test('is found in a worker', () => {
    const found = resultOf(async (lab) => {
      const { b } = lab.sgd.zeros({ a: 5, b: 6 });
      const worker = lab.worker((inside, { data }) => {
        const { arenaOf, leafIndex } = inside.internal('memory/arena') as typeof arenas;
        const arena = arenaOf(data.buffer);
        const index = arena && leafIndex(arena, data.byteOffset, data.byteLength);
        inside.workers.parentPort?.postMessage([String(arena?.id), index]);
      }, b);
      const own = (lab.internal('memory/arena') as typeof arenas).arenaOf(b.data.buffer);
      return [await lab.message(worker), [String(own?.id), 1]];
    });
    expect(found[0]).toEqual(found[1]);
  });

  test('is of that memory alone', () => {
    const ids = Array.from({ length: 100 }, () => arenaOf(zeros(1).data.buffer)?.id);
    expect(new Set(ids).size).toBe(100);
    expect(ids).not.toContain(undefined);
  });

  test('other memory has none, though it may look like one', () => {
    expect(arenaOf(new ArrayBuffer(1 << 16))).toBeUndefined();
    expect(arenaOf(new SharedArrayBuffer(1 << 16))).toBeUndefined();
    expect(arenaOf(new SharedArrayBuffer(8))).toBeUndefined();
  });

  test.each<[string, number, number]>([
    ['address', 2, 4096],
    ['first leaf, too far', 3, 1e15],
    ['first leaf, in the header', 3, 1],
    ['number of leaves, too large', 4, 1e12],
    ['number of leaves, negative', 4, -1],
    ['number of leaves, a fraction', 4, 0.5],
    ['length, too large', 5, 1e15],
    ['length, none', 5, NaN],
  ])('a header with a wrong %s is none', (_, word, value) => {
    const { data } = zeros(4);
    const header = new Float64Array(data.buffer, 0, 6);
    expect(arenaOf(structuredClone(data).buffer)).toBeDefined();
    header[word] = value;
    if (value === 1e12) header[3] = 1e15;
    expect(arenaOf(structuredClone(data).buffer)).toBeUndefined();
  });

  test('a part of a leaf is none of its leaves', () => {
    const { data } = zeros({ a: 100, b: 100 }).a;
    const arena = arenaOf(data.buffer);
    if (!arena) throw new Error('no arena');
    const index = (part: Float32Array): number => leafIndex(arena, part.byteOffset, part.byteLength);
    const parts = [data, data.subarray(0, 99), data.subarray(1), data.subarray(0, 0)];
    expect(parts.map(index)).toEqual([0, -1, -1, -1]);
  });
});

describe('floats that stand between two leaves stay as they are', () => {
  /** Steps `parts` of one array of 128 by as many of a gradient of ones; what has changed. */
  function changed(whole: () => Float32Array, parts: (all: Float32Array) => Float32Array[]): number[] {
    const [parameters, gradients] = [whole(), whole().fill(1)];
    const optimizer = new SGD(1, { momentum: 0.5, weightDecay: 1 });
    optimizer.update(parts(parameters), parts(gradients));
    optimizer.momentum = 0;
    const plain = whole();
    new SGD(1).update(parts(plain), parts(gradients));
    expect(plain.map((w) => -w)).toEqual(parameters.map((w) => -w));
    return numbers(parameters).flatMap((w, i) => (w === 0 ? [] : [i]));
  }
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

  test.each([
    ['an ordinary buffer', () => new Float32Array(128)],
    ['shared memory', () => new Float32Array(new SharedArrayBuffer(512))],
    ['one leaf of an arena', () => zeros(128).data],
  ])('in %s', (_, whole) => {
    const parts = (all: Float32Array): Float32Array[] => [
      all.subarray(0, 64),
      all.subarray(70, 100),
      all.subarray(100, 101),
    ];
    expect(changed(whole, parts)).toEqual([...range(0, 64), ...range(70, 101)]);
  });

  test('where one leaf is whole and the other a part', () => {
    const tree = (): { a: Float32Array; b: Float32Array } => {
      const { a, b } = zeros({ a: 64, b: 64 });
      return { a: a.data, b: b.data };
    };
    const [parameters, gradients] = [tree(), tree()];
    gradients.a.fill(1);
    gradients.b.fill(1);
    const part = ({ a, b }: ReturnType<typeof tree>): Float32Array[] => [a.subarray(0, 32), b];
    new SGD(1).update(part(parameters), part(gradients));
    expect(numbers(parameters.a)).toEqual([...range(0, 32).map(() => -1), ...range(32, 64).map(() => 0)]);
    expect(numbers(parameters.b)).toEqual(range(0, 64).map(() => -1));
  });

  test('where an empty leaf stands between a part and a whole one', () => {
    const tree = (): { a: Tensor<'float32'>; empty: Tensor<'float32'>; b: Tensor<'float32'> } => {
      const made = zeros({ a: 64, empty: 0, b: 64 });
      for (const { data } of Object.values(made)) data.fill(1);
      return made;
    };
    const [parameters, gradients] = [tree(), tree()];
    const part = ({ a, empty, b }: ReturnType<typeof tree>): object[] => [a.data.subarray(0, 32), empty, b];
    new SGD(1).update(part(parameters) as Tensor[], part(gradients) as Tensor[]);
    expect(numbers(parameters.a.data)).toEqual([...range(0, 32).map(() => 0), ...range(32, 64).map(() => 1)]);
    expect(numbers(parameters.b.data)).toEqual(range(0, 64).map(() => 0));
  });

  test('and whole leaves in another order, or not all of them, are each stepped once', () => {
    const tree = zeros({ a: 10, b: 20, c: 30, d: 40 });
    const gradients = zeros({ a: 10, b: 20, c: 30, d: 40 });
    for (const { data } of Object.values(gradients)) data.fill(1);
    const pick = <T>({ a, b, c, d }: { a: T; b: T; c: T; d: T }): T[] => [c, d, a, b];
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.update(pick(tree), pick(gradients));
    optimizer.update(pick(tree).slice(0, 3), pick(gradients).slice(0, 3));
    const { a, b, c, d } = tree;
    expect([a, b, c, d].map(({ data }) => [...new Set(data)])).toEqual([[-2.5], [-1], [-2.5], [-2.5]]);
  });
});
