// The drawn trees of test/values again, many more of them, from seeds of their own.
import fc from 'fast-check';
import { specTrees, steppings } from '../helpers/arbitraries';
import { restoreMachineAfterwards } from '../helpers/machine';
import { gradientSpecs } from '../helpers/specTree';
import { expectOracleBits } from '../helpers/treeProperty';

restoreMachineAfterwards();

const trees = specTrees.filter((tree) => gradientSpecs(tree) !== undefined);

test.each([1, 2, 3, 4, 5])(
  'every step of random trees matches the oracle bit for bit, seed %i',
  async (seed) => {
    await fc.assert(fc.asyncProperty(trees, steppings, expectOracleBits), { seed, numRuns: 2000 });
  },
  600_000,
);
