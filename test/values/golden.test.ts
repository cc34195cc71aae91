// Steps of one leaf against the values of real MLX (float32) and numpy (the other dtypes), through every method, on every
// kind of leaf: parameter and velocity after each step, to the bit.
import { expectSameBits } from '../helpers/bits';
import { goldenCases, type LeafState } from '../helpers/fixtures';
import { kindsOf, type LeafKind, makeLeaf } from '../helpers/leaves';
import { METHODS, walk, type Walker } from '../helpers/methods';
import type { Dtype } from '../../lib/dtype';

const KINDS: readonly LeafKind[] = ['bare', 'tensor', 'arena'];

function expectState(dtype: Dtype, walker: Walker, expected: LeafState, step: number): void {
  expectSameBits(dtype, walker.parameter(), expected.parameter, `parameter after step ${String(step)}`);
  const v = walker.v();
  expect(v === undefined).toBe(expected.v === undefined);
  if (v && expected.v) expectSameBits(dtype, v, expected.v, `v after step ${String(step)}`);
}

describe.each(METHODS)('%s', (method) => {
  describe.each(KINDS)('with a leaf of kind %s', (kind) => {
    const cases = goldenCases().filter(({ dtype }) => kindsOf(dtype).includes(kind));

    test.each(cases)('$name', async ({ dtype, cpuOnly, options, parameter, steps }) => {
      const shared = method === 'updateAsync';
      const start = makeLeaf(kind, dtype, parameter, shared);
      const walker = walk(method, cpuOnly ? { ...options, device: 'cpu' } : options, start);
      for (const [i, { learningRate, gradient, expected }] of steps.entries()) {
        await walker.step(learningRate, makeLeaf(kind, dtype, gradient, shared));
        expectState(dtype, walker, expected, i + 1);
      }
    });
  });
});
