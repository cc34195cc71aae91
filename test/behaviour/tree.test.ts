// Trees: the structures that are taken, and what they may do from step to step.
import { runInNewContext } from 'node:vm';
import { clone, SGD, zeros, zerosLike } from '../../lib/index';
import { chain } from '../helpers/chain';
import { loose } from '../helpers/loose';
import { numbers } from '../helpers/memory';

const ones = (length = 1): Float32Array => new Float32Array(length).fill(1);

/** What two steps with a momentum make of a tree whose leaves and gradients are all ones, leaf by leaf. */
function expectSteps(tree: object, leaves: readonly ArrayLike<number>[]): void {
  const optimizer = new SGD(1, { momentum: 0.5 });
  const gradients = clone(tree);
  loose(optimizer).update(tree, gradients);
  loose(optimizer).update(tree, gradients);
  expect(leaves.map(numbers)).toEqual(leaves.map((leaf) => numbers(new Float64Array(leaf.length).fill(-1.5))));
}

describe('trees that are taken', () => {
  test('one leaf, bare or shaped', () => {
    const bare = ones(3);
    expectSteps(bare, [bare]);
    const shaped = zeros([2, 2]);
    shaped.data.fill(1);
    expectSteps(shaped, [shaped.data]);
  });

  test('nested objects and lists', () => {
    const leaves = [ones(), ones(2), ones(3), ones(4)] as const;
    expectSteps({ a: [{ b: leaves[0] }, [leaves[1], [leaves[2]]]], c: { d: leaves[3] } }, leaves);
  });

  test('objects without a prototype', () => {
    const leaf = ones();
    const tree = Object.assign(Object.create(null) as object, { a: leaf });
    expectSteps(tree, [leaf]);
    expect(Object.keys(zerosLike(tree))).toEqual(['a']);
  });

  test('instances of classes that have fields alone', () => {
    class Dense {
      w = ones(2);
      b?: Float32Array = undefined;
    }
    class Wide extends Dense {
      more = [ones(3)];
    }
    const model = { first: new Dense(), last: new Wide() };
    expectSteps(model, [model.first.w, model.last.w, ...model.last.more]);
    expect(Object.keys(zerosLike(model.last))).toEqual(['w', 'more']);
  });

  test('trees and arrays of another realm', () => {
    const tree = runInNewContext(
      '({ a: new Float32Array([1]), list: [new Float32Array([1]), { data: new Float32Array([1]), shape: [1], dtype: "float32" }] })',
    ) as { a: Float32Array; list: [Float32Array, { data: Float32Array }] };
    expect(tree.a instanceof Float32Array).toBe(false);
    expectSteps(tree, [tree.a, tree.list[0], tree.list[1].data]);
    const fresh = new SGD(1).applyGradients({ a: ones() }, tree as { a: Float32Array });
    expect(numbers(fresh.a)).toEqual([-2.5]);
  });

  test('a Proxy of a plain tree', () => {
    const leaf = ones();
    expectSteps(new Proxy({ a: leaf }, {}), [leaf]);
  });

  test('getters', () => {
    const leaf = ones();
    const tree = {
      get a() {
        return leaf;
      },
    };
    expectSteps(tree, [leaf]);
  });

  test('500 levels, and the 1,000 that are the limit', () => {
    for (const depth of [500, 1000]) {
      const leaf = ones();
      const tree = chain(depth, leaf);
      expectSteps(tree, [leaf]);
      const optimizer = new SGD(1, { momentum: 0.5 });
      loose(optimizer).init(tree);
      const { state } = optimizer;
      optimizer.state = state;
    }
  });

  test('empty trees and empty leaves', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    for (const tree of [{}, { a: {}, b: [] }]) loose(optimizer).update(tree, tree);
    const leaves = { a: { w: ones(0) }, b: [zeros([0, 3])] };
    loose(new SGD(1, { momentum: 0.5 })).update(leaves, clone(leaves));
    expect(optimizer.step).toBe(2);
  });

  test('scalars', () => {
    const scalar = zeros([]);
    expect(scalar.shape).toEqual([]);
    scalar.data[0] = 1;
    expectSteps({ scalar }, [scalar.data]);
  });

  test('keys that MLX’s state or JavaScript use, and keys with dots', () => {
    const keys = [
      'step',
      'learning_rate',
      'learningRate',
      'parameters',
      'v',
      'constructor',
      'toString',
      'length',
      'a.b',
      '',
      '0',
    ];
    const leaves = keys.map(() => ones());
    expectSteps(Object.fromEntries(keys.map((key, i) => [key, leaves[i]])), leaves);
  });

  test('gradients that share memory with each other', () => {
    const parameters = { a: ones(2), b: ones(2) };
    const shared = new Float32Array([1, 2, 3]);
    new SGD(1).update(parameters, { a: shared.subarray(0, 2), b: shared.subarray(1) });
    new SGD(1).update(parameters, { a: shared.subarray(0, 2), b: shared.subarray(0, 2) });
    expect([...parameters.a, ...parameters.b]).toEqual([-1, -3, -2, -4]);
  });

  test('parameters side by side in one buffer', () => {
    const all = ones(6);
    new SGD(1).update([all.subarray(0, 2), all.subarray(4, 6), all.subarray(2, 4)], [ones(2), ones(2)]);
    expect(numbers(all)).toEqual([0, 0, 1, 1, 0, 0]);
  });
});

describe('members that are undefined', () => {
  test('are as if they were not there, in every tree', () => {
    const parameters = { body: { w: Float32Array.of(1), none: undefined }, head: Float32Array.of(1), late: undefined };
    const optimizer = new SGD(0.5, { momentum: 0.5 });
    optimizer.update(parameters, { body: undefined, head: Float32Array.of(1) });
    expect([parameters.body.w[0], parameters.head[0], optimizer.step]).toEqual([1, 0.5, 1]);
    expect(Object.keys(optimizer.state.parameters as object)).toEqual(['head']);
  });

  test('keep a plan, until they get a value', () => {
    const parameters = { a: Float32Array.of(1), b: Float32Array.of(1) };
    const gradients: { a?: Float32Array | undefined; b: Float32Array } = { a: undefined, b: Float32Array.of(1) };
    const optimizer = new SGD(0.5);
    for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
    expect([parameters.a[0], parameters.b[0]]).toEqual([1, -0.5]);
    gradients.a = Float32Array.of(2);
    optimizer.update(parameters, gradients);
    gradients.a = undefined;
    optimizer.update(parameters, gradients);
    expect([parameters.a[0], parameters.b[0]]).toEqual([0, -1.5]);
  });

  test('leaves called data and shape are a branch', () => {
    const parameters = { data: Float32Array.of(1), shape: [Float32Array.of(1)] };
    new SGD(1).update(parameters, { data: Float32Array.of(1), shape: [Float32Array.of(2)] });
    expect([parameters.data[0], parameters.shape[0][0]]).toEqual([0, -1]);
  });
});

describe('trees that change from step to step', () => {
  test('a late parameter gets its velocity then', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters: { a: Float32Array[]; b?: Float32Array } = { a: [ones()] };
    loose(optimizer).update(parameters, { a: [ones()] });
    parameters.a.push(ones());
    parameters.b = ones();
    for (let i = 0; i < 2; i++) loose(optimizer).update(parameters, { a: [ones(), ones()], b: ones() });
    expect([...parameters.a, parameters.b].map((leaf) => leaf[0])).toEqual([-3.25, -1.5, -1.5]);
    expect(optimizer.state.parameters).toEqual({
      a: [{ v: new Float32Array([1.75]) }, { v: new Float32Array([1.5]) }],
      b: { v: new Float32Array([1.5]) },
    });
  });

  test('the order of keys means nothing', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const [a, b] = [ones(), ones()];
    optimizer.update({ a, b }, { a: ones(), b: new Float32Array([3]) });
    optimizer.update({ b, a }, { b: new Float32Array([3]), a: ones() });
    expect([a[0], b[0]]).toEqual([-1.5, -6.5]);
  });

  test('velocities belong to the place in the tree, whatever array stands there', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.update({ w: ones() }, { w: ones() });
    const other = { w: ones() };
    optimizer.update(other, { w: ones() });
    expect(other.w[0]).toBe(-0.5);
  });

  test('a step with gradients for other parameters leaves the rest, velocities too', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters = { a: ones(), b: ones() };
    optimizer.update(parameters, { a: ones(), b: ones() });
    optimizer.update(parameters, { b: ones() });
    expect([parameters.a[0], parameters.b[0]]).toEqual([0, -1.5]);
    expect(optimizer.state.parameters).toEqual({ a: { v: ones() }, b: { v: new Float32Array([1.5]) } });
  });
});
