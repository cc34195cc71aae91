// Steps of one leaf against the values of real MLX (float32) and numpy (the other dtypes), through every method, on every
// kind of leaf: parameter and velocity after each step, to the bit.
import type { Dtype } from '../../lib/tree/dtype';
import { copied, expectSameBits } from '../helpers/bits';
import { deviceFor, subnormalsOn } from '../helpers/devices';
import { goldenCases, type LeafState } from '../helpers/fixtures';
import { ARRAYS, kindsOf, type LeafKind, makeLeaf } from '../helpers/leaves';
import { METHODS, walk, type Walker } from '../helpers/methods';
import { oracleStep } from '../helpers/oracle';

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

    test.each(cases)('$name', async ({ dtype, meetsSubnormals, options, parameter, steps }) => {
      const shared = method === 'updateAsync';
      const start = makeLeaf(kind, dtype, parameter, shared);
      const device = meetsSubnormals ? 'cpu' : deviceFor([dtype]);
      const walker = walk(method, { ...options, device }, start);
      for (const [i, { learningRate, gradient, expected }] of steps.entries()) {
        await walker.step(learningRate, makeLeaf(kind, dtype, gradient, shared));
        expectState(dtype, walker, expected, i + 1);
      }
    });
  });
});

// MLX's values of the cases above come from a CPU; a GPU flushes what they meet, as the oracle says.
test.each(goldenCases().filter(({ meetsSubnormals }) => meetsSubnormals))(
  'update treats subnormals as the oracle does for this device: $name',
  async ({ dtype, options, parameter, steps }) => {
    const walker = walk('update', options, makeLeaf('arena', dtype, parameter));
    const [w, v] = [copied(parameter), new ARRAYS[dtype](parameter.length)];
    for (const [i, { learningRate, gradient }] of steps.entries()) {
      await walker.step(learningRate, makeLeaf('arena', dtype, gradient));
      oracleStep(dtype, { ...options, learningRate }, w, gradient, v, subnormalsOn('auto'));
      expectState(dtype, walker, { parameter: w, v: options.momentum > 0 ? v : undefined }, i + 1);
    }
  },
);
