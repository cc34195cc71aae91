// Drawn trees, options and machines against the oracle, to the bit. The seed is fixed; test/long draws others.
import fc from 'fast-check';
import { specTrees, steppings } from '../helpers/arbitraries';
import { restoreMachineAfterwards } from '../helpers/machine';
import { gradientSpecs } from '../helpers/specTree';
import { expectOracleBits } from '../helpers/treeProperty';

restoreMachineAfterwards();

test('every step of random trees matches the oracle bit for bit and writes nothing else', async () => {
  const trees = specTrees.filter((tree) => gradientSpecs(tree) !== undefined);
  await fc.assert(fc.asyncProperty(trees, steppings, expectOracleBits), { seed: 20240, numRuns: 300 });
});
