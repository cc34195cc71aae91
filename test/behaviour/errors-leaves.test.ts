// Leaves that are none, or do not fit: class, code, message with the path, and that nothing has changed.
import { SGD, zeros } from '../../lib/index';
import { type Failure, failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { loose } from '../helpers/loose';
import { bytesOf, memoryOf } from '../helpers/memory';
import { trained } from '../helpers/trained';

const LEAF = 'a Float32Array, a Float64Array, a Float16Array or a Tensor { data, shape, dtype }';
const TREE = `${LEAF}, or a plain object or array of them`;

const WORDS = "a bare Uint16Array; 16-bit data needs { data, shape, dtype: 'bfloat16' | 'float16' }";
const NUMBER = 'the number 1; make arrays of numbers leaves by Float32Array.from';

describe('leaves', () => {
  const detached = new Float32Array(2);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const gone = 'its buffer was detached (transferred?) or shrunk';

  /** What stands in the place of the gradient `a`; the failure of `update`. */
  const rows: [string, unknown, Failure][] = [
    [
      'a DataView',
      new DataView(new ArrayBuffer(8)),
      typeFailure('invalid-leaf', `@: expected ${LEAF}, received DataView`),
    ],
    [
      'BigInts',
      new BigInt64Array(2),
      typeFailure('invalid-leaf', `@: expected ${LEAF}, received BigInt64Array of length 2`),
    ],
    ['words', new Uint16Array(2), typeFailure('invalid-leaf', `@: expected ${LEAF}, received ${WORDS}`)],
    ['a string', 'weights', typeFailure('invalid-leaf', `@: expected ${TREE}, received "weights"`)],
    [
      'a long string',
      'x'.repeat(99),
      typeFailure('invalid-leaf', `@: expected ${TREE}, received "${'x'.repeat(60)}..."`),
    ],
    [
      'a proxy of an array',
      new Proxy(new Float32Array(2), {}),
      typeFailure(
        'invalid-leaf',
        `@: expected ${TREE}, received a proxy, which has no memory; pass what it stands for`,
      ),
    ],
    [
      'a tensor over a proxy',
      { data: new Proxy(new Float32Array(2), {}), shape: [2], dtype: 'float32' },
      typeFailure(
        'invalid-leaf',
        '@.data: expected Float32Array for dtype float32, received a proxy, which has no memory; pass what it stands for',
      ),
    ],
    [
      'a tensor with an accessor',
      new (class Lazy {
        readonly shape = [2];
        readonly dtype = 'float32';
        get data(): Float32Array {
          return new Float32Array(2);
        }
      })(),
      typeFailure(
        'invalid-leaf',
        `@: expected ${LEAF}, received an instance of Lazy whose data or dtype is no property of its own; pass { data, shape, dtype }`,
      ),
    ],
    [
      'a tensor without a dtype',
      { data: new Float32Array(2), shape: [2] },
      typeFailure('invalid-leaf', '@.dtype: expected float32, float64, float16, bfloat16, received undefined'),
    ],
    ['null', null, typeFailure('invalid-leaf', `@: expected ${TREE}, received null`)],
    ['undefined', undefined, typeFailure('invalid-leaf', `@: expected ${TREE}, received undefined`)],
    ['a number', 1, typeFailure('invalid-leaf', `@: expected ${TREE}, received ${NUMBER}`)],
    ['a function', () => 1, typeFailure('invalid-leaf', `@: expected ${TREE}, received a function`)],
    ['a Map', new Map(), typeFailure('invalid-leaf', `@: expected ${TREE}, received Map`)],
    ['an instance', new SGD(1), typeFailure('invalid-leaf', `@: expected ${TREE}, received an instance of SGD`)],
    ['a buffer', new ArrayBuffer(8), typeFailure('invalid-leaf', `@: expected ${TREE}, received ArrayBuffer`)],
    ['a hole', [, 1], typeFailure('invalid-tree', '@.0: expected an item, received a hole')], // eslint-disable-line no-sparse-arrays
    ['a detached array', detached, typeFailure('detached', `@: ${gone}`)],
    [
      'a dtype that is none',
      { data: new Float32Array(2), shape: [2], dtype: 'int8' },
      typeFailure('invalid-leaf', '@.dtype: expected float32, float64, float16, bfloat16, received "int8"'),
    ],
    [
      'data of another dtype',
      { data: new Float64Array(2), shape: [2], dtype: 'float32' },
      typeFailure('invalid-leaf', '@.data: expected Float32Array for dtype float32, received Float64Array of length 2'),
    ],
    [
      'data that are no array',
      { data: [1, 2], shape: [2], dtype: 'bfloat16' },
      typeFailure('invalid-leaf', '@.data: expected Uint16Array for dtype bfloat16, received an array of length 2'),
    ],
    [
      'no shape',
      { data: new Float32Array(2), dtype: 'float32' },
      typeFailure('invalid-shape', '@.shape: expected an array of whole numbers from 0, received undefined'),
    ],
    [
      'a shape with a fraction',
      { data: new Float32Array(2), shape: [1.5], dtype: 'float32' },
      rangeFailure('invalid-shape', '@.shape: expected an array of whole numbers from 0, received [1.5]'),
    ],
    [
      'too few data',
      { data: new Float32Array(2), shape: [2, 2], dtype: 'float32' },
      rangeFailure('invalid-shape', '@.data: expected 4 elements for shape [2, 2], received 2'),
    ],
    ['detached data', { data: detached, shape: [2], dtype: 'float32' }, typeFailure('detached', `@: ${gone}`)],
  ];

  /** The failure with the leaf's path in the place of @. */
  const at = (path: string, { name, code, message }: Failure): Failure => ({
    name,
    code,
    message: message.replaceAll('@', path),
  });

  // An optional member that is undefined is one that is not there.
  test.each(rows.filter(([, leaf]) => leaf !== undefined))('a gradient that is %s', (_, leaf, failure) => {
    const { optimizer, parameters, gradients } = trained();
    const before = memoryOf(optimizer) + bytesOf([parameters, gradients.t, gradients.list]);
    const wrong = { ...gradients, a: leaf };
    for (const call of [
      () => loose(optimizer).update(parameters, wrong),
      () => loose(optimizer).applyGradients(wrong, parameters),
    ]) {
      expect(failureOf(call)).toEqual(at('gradients.a', failure));
    }
    expect(memoryOf(optimizer) + bytesOf([parameters, gradients.t, gradients.list])).toBe(before);
    optimizer.update(parameters, gradients);
    expect(optimizer.step).toBe(2);
  });

  test.each(rows)('a parameter that is %s', (_, leaf, failure) => {
    const { optimizer, parameters, gradients } = trained();
    const before = memoryOf(optimizer) + bytesOf([parameters, gradients]);
    const wrong = { ...parameters, list: [leaf] };
    for (const call of [
      () => loose(optimizer).update(wrong, gradients),
      () => loose(optimizer).applyGradients(gradients, wrong),
      () => loose(optimizer).init(wrong),
    ]) {
      expect(failureOf(call)).toEqual(at('parameters.list.0', failure));
    }
    expect(memoryOf(optimizer) + bytesOf([parameters, gradients])).toBe(before);
  });

  test.each(rows.filter(([name]) => name !== 'a hole'))('a single leaf that is %s', (_, leaf, failure) => {
    const { optimizer } = trained();
    const parameter = new Float32Array([1, 2]);
    const v = new Float32Array([3, 4]);
    const before = memoryOf(optimizer);
    const { applySingle, initSingle } = loose(optimizer);
    expect(failureOf(() => applySingle(leaf, parameter, { v }))).toEqual(at('gradient', failure));
    expect(failureOf(() => applySingle(parameter, leaf, { v }))).toEqual(at('parameter', failure));
    expect(failureOf(() => initSingle(leaf, {}))).toEqual(at('parameter', failure));
    if (leaf !== undefined) {
      expect(failureOf(() => applySingle(parameter, parameter, { v: leaf }))).toEqual(at('state.v', failure));
    }
    expect([...parameter, ...v]).toEqual([1, 2, 3, 4]);
    expect(memoryOf(optimizer)).toBe(before);
  });

  test.each([null, undefined, 1, 'state', new Float32Array(2)])('a single state that is %p', (state) => {
    const { applySingle, initSingle } = loose(new SGD(1, { momentum: 0.5 }));
    for (const call of [
      () => initSingle(new Float32Array(2), state),
      () => applySingle(new Float32Array(2), new Float32Array(2), state),
    ]) {
      const { name, code, message } = failureOf(call);
      expect({ name, code }).toEqual({ name: 'TypeError', code: 'invalid-state' });
      expect(message).toMatch(/^state: expected an object that holds v, or will, received /);
    }
  });
});

describe('a gradient that does not fit its parameter', () => {
  const floats = (length: number): Float32Array => new Float32Array(length);
  const rows: [string, unknown, Failure][] = [
    [
      'other length',
      { a: floats(3) },
      rangeFailure('length-mismatch', 'gradients.a: expected 2 elements as parameters.a, received 3'),
    ],
    [
      'other shape',
      { t: zeros([2, 1]) },
      rangeFailure('shape-mismatch', 'gradients.t: expected shape [1, 2] as parameters.t, received [2, 1]'),
    ],
    [
      'other dtype',
      { a: new Float64Array(2) },
      typeFailure('dtype-mismatch', 'gradients.a: expected float32 as parameters.a, received float64'),
    ],
    [
      'no parameter',
      { b: floats(2) },
      rangeFailure(
        'missing-parameter',
        'gradients.b: parameters has no leaf at this path; remove the gradient, or add the parameter',
      ),
    ],
    [
      'no parameter in a list',
      { list: [floats(1), floats(1)] },
      rangeFailure(
        'missing-parameter',
        'gradients.list.1: parameters has no leaf at this path; remove the gradient, or add the parameter',
      ),
    ],
    [
      'a branch for a leaf',
      { a: { b: floats(2) } },
      typeFailure('missing-parameter', 'gradients.a: expected a leaf as in parameters, received an object'),
    ],
    [
      'a leaf for a branch',
      { list: floats(2) },
      typeFailure('missing-parameter', 'gradients.list: expected an array as in parameters, received a leaf'),
    ],
    [
      'an object for a list',
      { list: { 0: floats(1) } },
      typeFailure('missing-parameter', 'gradients.list: expected an array as in parameters, received an object'),
    ],
    [
      'an inherited name',
      { toString: floats(2) },
      rangeFailure(
        'missing-parameter',
        'gradients.toString: parameters has no leaf at this path; remove the gradient, or add the parameter',
      ),
    ],
  ];

  test.each(rows)('%s', (_, wrong, failure) => {
    const { optimizer, parameters } = trained();
    const before = memoryOf(optimizer) + bytesOf([parameters, wrong]);
    expect(failureOf(() => loose(optimizer).update(parameters, wrong))).toEqual(failure);
    expect(failureOf(() => loose(optimizer).applyGradients(wrong, parameters))).toEqual(failure);
    expect(memoryOf(optimizer) + bytesOf([parameters, wrong])).toBe(before);
  });

  test('single leaves likewise', () => {
    const { applySingle } = loose(new SGD(1, { momentum: 0.5 }));
    const state = { v: new Float64Array(2) };
    expect(failureOf(() => applySingle(floats(3), floats(2), {}))).toEqual(
      rangeFailure('length-mismatch', 'gradient: expected 2 elements as parameter, received 3'),
    );
    expect(failureOf(() => applySingle(floats(2), floats(2), state))).toEqual(
      typeFailure('dtype-mismatch', 'state.v: expected float32 as parameter, received float64'),
    );
  });
});

describe('a parameter that is not as in earlier steps', () => {
  const rows: [string, object, Failure][] = [
    [
      'other length',
      { a: new Float32Array(3) },
      rangeFailure(
        'length-mismatch',
        'parameters.a: expected 2 elements as in earlier steps (another model needs another optimizer), received 3',
      ),
    ],
    [
      'other dtype',
      { a: new Float64Array(2) },
      typeFailure(
        'dtype-mismatch',
        'parameters.a: expected float32 as in earlier steps (another model needs another optimizer), received float64',
      ),
    ],
    [
      'other shape',
      { t: zeros(2) },
      rangeFailure(
        'shape-mismatch',
        'parameters.t: expected shape [1, 2] as in earlier steps (another model needs another optimizer), received [2]',
      ),
    ],
    [
      'a branch',
      { a: [new Float32Array(2)] },
      typeFailure(
        'state-mismatch',
        'parameters.a: expected a leaf as in earlier steps (another model needs another optimizer), received an array',
      ),
    ],
    [
      'a leaf',
      { list: new Float32Array(2) },
      typeFailure(
        'state-mismatch',
        'parameters.list: expected an array as in earlier steps (another model needs another optimizer), received a leaf',
      ),
    ],
    [
      'an object',
      { list: {} },
      typeFailure(
        'state-mismatch',
        'parameters.list: expected an array as in earlier steps (another model needs another optimizer), received an object',
      ),
    ],
  ];

  test.each(rows)('%s', (_, other, failure) => {
    const { optimizer } = trained();
    const before = memoryOf(optimizer) + bytesOf(other);
    const gradients = structuredClone(other);
    expect(failureOf(() => loose(optimizer).update(other, gradients))).toEqual(failure);
    expect(failureOf(() => loose(optimizer).init(other))).toEqual(failure);
    expect(memoryOf(optimizer) + bytesOf(other)).toBe(before);
  });
});
