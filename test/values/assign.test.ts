// assign and zerosLike: every pair of dtypes to the bit against IEEE's definition, numbers, structure, and refusals.
import fc from 'fast-check';
import { assign, clone, SGD, type Tensor, zeros, zerosLike } from '../../lib';
import { type Dtype, DTYPES, viewOf } from '../../lib/tree/dtype';
import { BFLOAT16, FLOAT16, narrow, widen } from '../helpers/half';
import { rangeFailure, failureOf, typeFailure } from '../helpers/failures';
import { bytesOf, numbers } from '../helpers/memory';
import { randomWords } from '../helpers/random';

/** A number as one dtype stores it, and what is stored as a number. */
const FORMATS: Record<Dtype, { store: (value: number) => number; read: (stored: number) => number }> = {
  float32: { store: Math.fround, read: (value) => value },
  float64: { store: (value) => value, read: (value) => value },
  float16: { store: (value) => narrow(value, FLOAT16), read: (bits) => widen(bits, FLOAT16) },
  bfloat16: { store: (value) => narrow(value, BFLOAT16), read: (bits) => widen(bits, BFLOAT16) },
};

const tensor = (dtype: Dtype, elements: ArrayLike<number>): Tensor => {
  const data = viewOf(dtype, new ArrayBuffer(elements.length * 8), 0, elements.length);
  data.set(elements);
  return { data, shape: [elements.length], dtype };
};

/** Values around every place where a format rounds, overflows or becomes subnormal, and random bits. */
function hardDoubles(): Float64Array {
  const values: number[] = [0, -0, Infinity, -Infinity, NaN, 5e-324, Number.MAX_VALUE];
  for (const { precision, minExponent, infinity } of [FLOAT16, BFLOAT16]) {
    const largest = widen(infinity - 1, { precision, minExponent, infinity });
    const quantum = 2 ** (minExponent - precision + 1);
    for (const base of [
      largest,
      largest * (1 + 2 ** -precision),
      1,
      1 + 2 ** (1 - precision),
      quantum,
      2 ** minExponent,
    ]) {
      // A tie between two neighbours, and a double's last bit to each side of it: float32 in between would hide that bit.
      const half = base === quantum ? quantum / 2 : base * 2 ** -precision;
      for (const value of [base, base + half, base + 3 * half]) {
        values.push(value, value * (1 + 2 ** -52), value * (1 - 2 ** -53), -value, -value * (1 + 2 ** -52));
      }
    }
  }
  const word = randomWords(11);
  const bits = new Uint32Array(20_000).map(() => word());
  return Float64Array.of(
    ...values,
    ...new Float64Array(bits.buffer),
    ...new Float32Array(bits.buffer.slice(0, 20_000)),
  );
}

/** The first place where two arrays stand for different numbers; every NaN is one. `undefined` if there is none. */
function difference(a: ArrayLike<number>, from: Dtype, b: ArrayLike<number>, to: Dtype): unknown {
  const numbersOf = (data: ArrayLike<number>, dtype: Dtype): number[] => Array.from(data, FORMATS[dtype].read);
  const [left, right] = [numbersOf(a, from), numbersOf(b, to)];
  const at = left.findIndex((value, i) => !Object.is(value, right[i]));
  return left.length === right.length && at < 0 ? undefined : { at, left: left[at], right: right[at] };
}

describe('each element is rounded once, to nearest even', () => {
  const doubles = hardDoubles();
  const pairs = DTYPES.flatMap((from) => DTYPES.map((to) => [from, to] as const));

  test.each(pairs)('%s into %s', (from, to) => {
    const source = tensor(from, Array.from(doubles, FORMATS[from].store));
    const target = tensor(to, new Array<number>(doubles.length).fill(1));
    expect(assign(target, source)).toBe(target);
    const expected = Array.from(source.data, (stored) => FORMATS[to].store(FORMATS[from].read(stored)));
    expect(difference(target.data, to, expected, to)).toBeUndefined();
  });

  test.each(['float16', 'bfloat16'] as const)('every %s goes into wider dtypes and comes back', (dtype) => {
    const all = tensor(
      dtype,
      Array.from({ length: 65_536 }, (_, i) => i),
    );
    for (const wider of ['float32', 'float64'] as const) {
      const wide = assign(zerosLike(all, wider), all);
      expect(difference(wide.data, wider, all.data, dtype)).toBeUndefined();
      expect(difference(assign(zerosLike(all), wide).data, dtype, all.data, dtype)).toBeUndefined();
    }
  });

  test('of the same dtype, a NaN keeps its payload', () => {
    const source = tensor('float32', [0]);
    new Uint32Array(source.data.buffer)[0] = 0x7f800123;
    const target = zerosLike(source);
    assign(target, source);
    expect(new Uint32Array(target.data.buffer, target.data.byteOffset, 1)[0]).toBe(0x7f800123);
  });

  test.each(['float16', 'bfloat16'] as const)('a NaN of any payload is a NaN of %s', (dtype) => {
    const single = tensor('float32', [0, 0, 0]);
    new Uint32Array(single.data.buffer).set([0x7f800001, 0x7fffffff, 0xffffffff]);
    const double = tensor('float64', [0, 0]);
    new BigUint64Array(double.data.buffer).set([0x7ff0000000000001n, 0xffffffffffffffffn]);
    for (const source of [single, double]) {
      const target = assign(zerosLike(source, dtype), source);
      expect(Array.from(target.data, FORMATS[dtype].read).every(Number.isNaN)).toBe(true);
    }
  });

  test('on all threads, in pieces', () => {
    const source = zeros(3_000_001, 'float64');
    for (let i = 0; i < source.data.length; i++) source.data[i] = i / 3;
    const target = assign(zerosLike(source, 'float32'), source);
    expect(target.data.every((value, i) => value === Math.fround(i / 3))).toBe(true);
  });
});

describe('structure', () => {
  test('a part of the tree, bare arrays and tensors, in place', () => {
    const target = { a: zeros([2, 2]), b: [new Float64Array(3), zeros(1, 'float16')] as const };
    const { data } = target.a;
    const result = assign(target, { a: Float32Array.of(1, 2, 3, 4), b: [Float32Array.of(5, 6, 7)] });
    expect(result).toBe(target);
    expect(target.a.data).toBe(data);
    expect([numbers(data), numbers(target.b[0]), numbers(target.b[1].data)]).toEqual([[1, 2, 3, 4], [5, 6, 7], [0]]);
  });

  test('numbers, nested as the shape', () => {
    const target = zeros({ scalar: 1, matrix: [2, 3], none: [2, 0], half: 2 }, 'bfloat16');
    const scalar = zerosLike({ s: zeros([]) });
    assign(scalar, { s: 0.5 });
    expect(numbers(scalar.s.data)).toEqual([0.5]);
    assign(target, {
      scalar: [1],
      matrix: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      none: [[], []],
      half: [0.1, -0],
    });
    expect(numbers(assign(zerosLike(target, 'float32'), target).matrix.data)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(numbers(target.half.data)).toEqual([narrow(0.1, BFLOAT16), 0x8000]);
    expect(numbers(assign(new Float32Array(2), [3, 4]))).toEqual([3, 4]);
  });

  test('back to the best: a clone goes into the parameters, and the optimizer goes on with them', () => {
    const parameters = zeros({ w: 2 });
    const optimizer = new SGD(1);
    const best = clone(parameters);
    optimizer.update(parameters, { w: Float32Array.of(1, 1) });
    assign(parameters, best);
    optimizer.update(parameters, { w: Float32Array.of(2, 3) });
    expect(numbers(parameters.w.data)).toEqual([-2, -3]);
  });

  test('a leaf that is the same in both stays', () => {
    const target = zeros({ a: 2, b: 2 });
    target.a.data.fill(7);
    assign(target, { ...target, b: [1, 2] });
    expect([numbers(target.a.data), numbers(target.b.data)]).toEqual([
      [7, 7],
      [1, 2],
    ]);
  });

  test('any tree of numbers arrives', () => {
    const nested = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })).chain(([rows, columns]) =>
      fc.array(fc.array(fc.double(), { minLength: columns, maxLength: columns }), {
        minLength: rows,
        maxLength: rows,
      }),
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((key) => !/[.]|^__proto__$/.test(key)),
          nested,
        ),
        (tree) => {
          const shapes = Object.entries(tree).map(([key, rows]) => [key, [rows.length, rows[0].length]]);
          const target = zeros(Object.fromEntries(shapes) as Record<string, readonly number[]>, 'float64');
          assign(target, tree);
          for (const [key, rows] of Object.entries(tree)) expect(numbers(target[key].data)).toEqual(rows.flat());
        },
      ),
    );
  });
});

describe('zerosLike of another dtype', () => {
  test.each(DTYPES)('%s: tensors of the same shapes, bare arrays with one axis, in one arena', (dtype) => {
    const tree = { a: [new Float32Array(3)], b: zeros([2, 2], 'float64') };
    const made = zerosLike(tree, dtype);
    expect([made.a[0].dtype, made.b.dtype]).toEqual([dtype, dtype]);
    expect([made.a[0].shape, made.b.shape]).toEqual([[3], [2, 2]]);
    expect(made.a[0].data.buffer).toBe(made.b.data.buffer);
  });
});

describe('what is refused, and changes nothing', () => {
  const target = zeros({ w: [2, 2], list: [[1]] as const });
  const refusals: [string, () => unknown, object][] = [
    [
      'another leaf',
      () => assign(target, { x: [1] } as never),
      rangeFailure(
        'invalid-tree',
        'source.x: target has no leaf at this path; remove it from source, or add it to target',
      ),
    ],
    [
      'another structure',
      () => assign(target, { w: { v: 1 } } as never),
      typeFailure('invalid-tree', 'source.w: expected a leaf as in target, received an object'),
    ],
    [
      'another shape',
      () => assign(target, { w: zeros([4]) }),
      rangeFailure('shape-mismatch', 'source.w: expected shape [2, 2] as target.w, received [4]'),
    ],
    [
      'flat numbers for a matrix',
      () => assign(target, { w: [1, 2, 3, 4] }),
      rangeFailure('shape-mismatch', 'source.w: expected shape [2, 2] as target.w, received [4]'),
    ],
    [
      'rows of unequal length',
      () => assign(target, { w: [[1, 2], [3]] }),
      rangeFailure('invalid-shape', 'source.w.1: expected 2 items as in the arrays beside it, received 1'),
    ],
    [
      'text among numbers',
      () =>
        assign(target, {
          w: [
            [1, 2],
            [3, '4'],
          ],
        } as never),
      typeFailure('invalid-leaf', 'source.w.1.1: expected a number, received "4"'),
    ],
    [
      'a number where numbers nest',
      () => assign(target, { w: [[1, 2], 3] }),
      typeFailure('invalid-leaf', 'source.w.1: expected an array of numbers, received 3'),
    ],
    [
      'more arguments',
      () => (assign as (...all: unknown[]) => unknown)(target, { w: target.w }, 'float16'),
      rangeFailure('invalid-option', 'assign: expected a target and a source alone, received "float16"'),
    ],
    [
      'more arguments of clone',
      () => (clone as (...all: unknown[]) => unknown)(target, 'float16'),
      rangeFailure('invalid-option', 'clone: expected a tree alone, received "float16"'),
    ],
    [
      'a dtype that is none',
      () => zerosLike(target, 'int8' as never),
      rangeFailure('invalid-option', 'dtype: expected float32, float64, float16, bfloat16, received "int8"'),
    ],
  ];

  test.each(refusals)('%s', (_, call, failure) => {
    const before = bytesOf(target);
    expect(failureOf(call)).toEqual(failure);
    expect(bytesOf(target)).toBe(before);
  });

  test('two leaves that would be written from each other', () => {
    const both = zeros({ a: 2, b: 2 });
    expect(failureOf(() => assign(both, { a: both.b, b: both.a }))).toMatchObject({ code: 'memory-overlap' });
    const { data } = zeros(4);
    expect(failureOf(() => assign(data.subarray(0, 3), data.subarray(1, 4)))).toMatchObject({ code: 'memory-overlap' });
  });
});
