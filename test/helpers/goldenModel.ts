// The nested model of test/fixtures/tree.json as trees, and what they must be after each of its steps.
import { type Leaf, SGD, type Tensor } from '../../lib';
import { expectSameBits } from './bits';
import { type ByPath, type GoldenTensor, goldenTree } from './fixtures';
import { dataOf } from './leaves';
import { unflatten, valueAt } from './paths';

type AnyTree = Record<string, never>;

export const golden = goldenTree();

/** Tensors with copies of the elements, nested. */
export function modelOf(tensors: ByPath<GoldenTensor>): AnyTree {
  const leaves = Object.entries(tensors).map(([path, { shape, data }]): [string, Tensor] => [
    path,
    { data: data.slice(), shape, dtype: 'float32' },
  ]);
  return unflatten(Object.fromEntries(leaves)) as AnyTree;
}

/** The optimizer of the golden steps, new. */
export function goldenOptimizer(): SGD {
  return new SGD(golden.learningRate, golden.options);
}

/** Steps from `from` up to `to` (not included), each with its learning rate. */
export function takeSteps(optimizer: SGD, parameters: AnyTree, from: number, to = golden.steps.length): void {
  for (const { learningRate, gradients } of golden.steps.slice(from, to)) {
    optimizer.learningRate = learningRate;
    optimizer.update(parameters, modelOf(gradients));
  }
}

/** Fails unless parameters and velocities are what MLX had after `count` steps. */
export function expectGolden(optimizer: SGD, parameters: unknown, count = golden.steps.length): void {
  const expected = golden.steps[count - 1];
  expect(optimizer.step).toBe(count);
  for (const [path, { data }] of Object.entries(expected.parameters)) {
    expectSameBits('float32', dataOf(valueAt(parameters, path) as Leaf), data, `parameter ${path}`);
  }
  for (const [path, data] of Object.entries(expected.v)) {
    expectSameBits('float32', dataOf(valueAt(optimizer.state.parameters, `${path}.v`) as Leaf), data, `v of ${path}`);
  }
}
