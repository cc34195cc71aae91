// Parameter groups: MLX's MultiOptimizer to the bit, and any groups against the plain oracle.
import fc from 'fast-check';
import { clone, type Leaf, SGD, type SGDGroupOptions, type Tensor, zeros, zerosLike } from '../../lib';
import { type Dtype, DTYPES } from '../../lib/tree/dtype';
import { hyperparameters } from '../helpers/arbitraries';
import { copied, expectSameBits } from '../helpers/bits';
import { deviceFor, subnormalsOn } from '../helpers/devices';
import { featureCases } from '../helpers/features';
import { dataOf } from '../helpers/leaves';
import { type Hyperparameters, oracleStep } from '../helpers/oracle';
import { valueAt } from '../helpers/paths';
import { fillRandom } from '../helpers/random';

describe.each(['update', 'updateAsync', 'applyGradients'] as const)('%s gives what MLX gives', (method) => {
  test.each(featureCases('groups'))('$name', async ({ learningRate, options, groups, parameters: start, steps }) => {
    const optimizer = new SGD(learningRate, {
      ...options,
      groups: groups.map(({ endsWith, ...own }) => ({ ...own, parameters: (path) => path.endsWith(endsWith) })),
    });
    let parameters = clone(start);
    for (const [i, { gradients, ...expected }] of steps.entries()) {
      const given = clone(gradients[0]);
      if (method === 'update') optimizer.update(parameters, given);
      else if (method === 'updateAsync') await optimizer.updateAsync(parameters, given);
      else parameters = optimizer.applyGradients(given, parameters);
      for (const [path, data] of Object.entries(expected.parameters)) {
        expectSameBits(
          'float32',
          dataOf(valueAt(parameters, path) as Leaf),
          data,
          `${path} after step ${String(i + 1)}`,
        );
        const v = valueAt(optimizer.state.parameters, `${path}.v`) as Leaf | undefined;
        const { momentum } = groups.find(({ endsWith }) => path.endsWith(endsWith)) ?? options;
        expect(v === undefined).toBe(momentum === 0);
        if (v) expectSameBits('float32', dataOf(v), expected.v[path], `v of ${path} after step ${String(i + 1)}`);
      }
    }
  });
});

interface Drawn {
  readonly own: Hyperparameters;
  readonly groups: readonly Partial<Hyperparameters>[];
  /** For each leaf: its dtype, its length and its group, -1 for none. */
  readonly leaves: readonly { readonly dtype: Dtype; readonly length: number; readonly group: number }[];
  readonly seed: number;
}

const drawn: fc.Arbitrary<Drawn> = fc.integer({ min: 1, max: 3 }).chain((count) =>
  fc.record({
    own: hyperparameters,
    groups: fc.array(hyperparameters, { minLength: count, maxLength: count }),
    leaves: fc.array(
      fc.record({
        dtype: fc.constantFrom(...DTYPES),
        length: fc.nat(300),
        group: fc.integer({ min: -1, max: count - 1 }),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    seed: fc.nat(),
  }),
);

/** One arena for each dtype, as a user would lay them out; keys say the leaf's number and group. */
function treeOf({ leaves }: Drawn): Record<string, Tensor> {
  const key = (i: number): string => `${String(i)}-g${String(leaves[i].group)}`;
  const tree: Record<string, Tensor> = {};
  for (const dtype of DTYPES) {
    const own = [...leaves.keys()].filter((i) => leaves[i].dtype === dtype);
    Object.assign(tree, zeros(Object.fromEntries(own.map((i) => [key(i), [leaves[i].length]])), dtype));
  }
  return tree;
}

test('any groups step as the oracle does', () => {
  fc.assert(
    fc.property(drawn, ({ own, groups: given, leaves, seed }) => {
      // A group that no leaf belongs to is refused, and tested elsewhere.
      const isUsed = given.map((_, i) => leaves.some(({ group }) => group === i));
      const groups = given.flatMap((one, i): SGDGroupOptions[] =>
        isUsed[i] ? [{ ...one, parameters: new RegExp(`-g${String(i)}$`, 'g') }] : [],
      );
      const { learningRate, ...options } = own;
      const device = deviceFor(leaves.map(({ dtype }) => dtype));
      const optimizer = new SGD(learningRate, { ...options, groups, device });
      const parameters = treeOf({ own, groups: given, leaves, seed });
      const gradients = zerosLike(parameters);
      Object.values(parameters).forEach(({ dtype, data }, i) => {
        fillRandom(dtype, data, seed + i, true);
      });
      const expected = new Map(
        Object.entries(parameters).map(([key, { data }]) => [key, { w: copied(data), v: copied(data).fill(0) }]),
      );
      for (let step = 0; step < 4; step++) {
        Object.values(gradients).forEach(({ dtype, data }, i) => {
          fillRandom(dtype, data, seed + 100 * step + i, true);
        });
        optimizer.update(parameters, gradients);
        for (const [key, { dtype, data }] of Object.entries(parameters)) {
          const { w, v } = expected.get(key) as { w: typeof data; v: typeof data };
          const group = Number(/-g(-?\d+)$/.exec(key)?.[1]);
          const values = group < 0 ? own : { ...own, ...given[group] };
          oracleStep(dtype, values, w, gradients[key].data, v, subnormalsOn(device));
          expectSameBits(dtype, data, w, `${key} after step ${String(step + 1)}`);
        }
      }
    }),
    { numRuns: 60 },
  );
});
