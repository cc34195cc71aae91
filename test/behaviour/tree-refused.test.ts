// Trees that are refused: with the path, and without a crash.
import { clone, SGD, zeros, zerosLike } from '../../lib/index';
import { chain } from '../helpers/chain';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { loose } from '../helpers/loose';
import { memoryOf } from '../helpers/memory';

const ones = (): Float32Array => new Float32Array([1]);

describe('trees that are refused', () => {
  const cyclic: { a: { back?: unknown } } = { a: {} };
  cyclic.a.back = cyclic;
  const loop: unknown[] = [];
  loop.push({ loop });
  const cause = new Error('no');
  const throwing = {
    get w(): Float32Array {
      throw cause;
    },
  };
  const cycle = 'expected a tree, received a cycle back to one of its own branches';
  const own = 'expected another key, received one that JavaScript reserves';
  const twice = 'expected one leaf of this path, received two (a key holds a dot)';
  const deeper = `parameters${'.next'.repeat(50)}`.slice(0, 120);
  class Model {
    w = ones();
    norm(): number {
      return this.w.length;
    }
  }
  class Getter {
    readonly #w = ones();
    get w(): Float32Array {
      return this.#w;
    }
  }

  test.each<[string, unknown, ReturnType<typeof typeFailure>]>([
    ['a cycle', cyclic, typeFailure('invalid-tree', `parameters.a.back: ${cycle}`)],
    ['a cycle through a list', loop, typeFailure('invalid-tree', `parameters.0.loop: ${cycle}`)],
    [
      'a getter that throws',
      throwing,
      typeFailure('invalid-tree', 'parameters.w: expected a leaf or a tree, received a getter that throws'),
    ],
    [
      'a symbol key',
      { a: { [Symbol('s')]: ones() } },
      typeFailure('invalid-tree', 'parameters.a: expected keys that are strings, received Symbol(s)'),
    ],
    [
      '10,000 levels',
      chain(10_000),
      rangeFailure('invalid-tree', `${deeper}...: expected a tree of at most 1000 levels, received a deeper one`),
    ],
    [
      '1,001 levels',
      chain(1001),
      rangeFailure('invalid-tree', `${deeper}...: expected a tree of at most 1000 levels, received a deeper one`),
    ],
    [
      'two leaves of one path',
      { 'a.b': ones(), a: { b: ones() } },
      rangeFailure('invalid-tree', `parameters.a.b: ${twice}`),
    ],
    [
      'two leaves of one path, with a list',
      { a: [ones()], 'a.0': ones() },
      rangeFailure('invalid-tree', `parameters.a.0: ${twice}`),
    ],
    [
      'an own __proto__',
      JSON.parse('{ "a": { "__proto__": {} } }'),
      typeFailure('invalid-tree', `parameters.a.__proto__: ${own}`),
    ],
    [
      'an item beside a list',
      Object.assign([ones()], { extra: ones() }),
      typeFailure('invalid-tree', 'parameters: expected an array with items alone, received one with the key "extra"'),
    ],
    [
      'a hole at the end',
      Object.assign([ones()], { length: 2 }),
      typeFailure('invalid-tree', 'parameters.1: expected an item, received a hole'),
    ],
    ['a list of holes', new Array(4e9), typeFailure('invalid-tree', 'parameters.0: expected an item, received a hole')],
  ])('%s', (_, tree, failure) => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const before = memoryOf(optimizer);
    expect(failureOf(() => loose(optimizer).update(tree, {}))).toEqual(failure);
    expect(failureOf(() => loose(optimizer).init(tree))).toEqual(failure);
    const renamed = { ...failure, message: failure.message.replace('parameters', 'gradients') };
    if (!failure.message.includes('...')) expect(failureOf(() => loose(optimizer).update({}, tree))).toEqual(renamed);
    expect(memoryOf(optimizer)).toBe(before);
  });

  test.each([
    ['a Map', new Map([['w', ones()]])],
    ['a Set', new Set([ones()])],
    ['an instance of a class with a method', new Model()],
    ['an instance of a class that extends one', new (class extends Model {})()],
    ['an instance of a class with a getter', new Getter()],
    ['an instance of a class that extends Map', new (class extends Map {})()],
    ['an object whose prototype has a leaf', Object.create({ w: ones() }) as object],
    ['an object whose prototype is a proxy', Object.create(new Proxy({}, {})) as object],
    ['a Date', new Date()],
    ['a promise', Promise.resolve(ones())],
    ['a Proxy of a leaf', new Proxy(ones(), {})],
  ])('%s', (_, tree) => {
    const { name, code, message } = failureOf(() => loose(new SGD(1)).update({ m: tree }, {}));
    expect({ name, code }).toEqual({ name: 'TypeError', code: 'invalid-leaf' });
    expect(message).toMatch(/^parameters\.m: expected a Float32Array, .*, received \w+/);
  });

  test('a getter’s own error is the cause', () => {
    let thrown: unknown;
    try {
      loose(new SGD(1)).update(throwing, {});
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).cause).toBe(cause);
  });

  test('a Proxy whose traps throw, without a crash', () => {
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw cause;
        },
      },
    );
    let error: unknown;
    try {
      loose(new SGD(1)).update(hostile, {});
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'invalid-tree', cause });
  });

  test('zeros and zerosLike refuse the same', () => {
    expect(failureOf(() => zeros(cyclic))).toEqual(typeFailure('invalid-tree', `shape.a.back: ${cycle}`));
    expect(failureOf(() => zerosLike(cyclic as object))).toEqual(typeFailure('invalid-tree', `tree.a.back: ${cycle}`));
    expect(failureOf(() => clone(chain(5000))).code).toBe('invalid-tree');
  });
});
