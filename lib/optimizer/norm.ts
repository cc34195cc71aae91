// `globalNorm`: the norm of all gradients, for loops that clip by themselves.
import { constants, native } from '../addon/native';
import { calledFrom } from '../caller';
import { checkLeavesFree } from '../memory/inUse';
import { refuseMore } from '../memory/zeros';
import { checkStillThere, leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import type { Tree } from '../tree/types';
import { policyFor } from './device';

/**
 * The square root of the sum of the squares of all elements. The sum has one fixed shape, so that its bits depend neither on
 * threads nor on the processor, and its error stays below 2e-7 for models of any size. 16-bit elements are widened first.
 *
 * @param tree A tree of leaves of any dtype, read in the order of its keys.
 * @returns A float32 number; of a tree with float64 leaves a double. NaN for a NaN; `Infinity` where the sum exceeds float32.
 * @throws TypeError or RangeError that names the path; code `busy` while a step of `updateAsync` writes the tree.
 */
export function globalNorm<T>(tree: T & Tree<T>): number;
export function globalNorm(tree: unknown, ...more: readonly unknown[]): number {
  return calledFrom(globalNorm, () => {
    refuseMore('globalNorm', 'a tree', more);
    const leaves = leavesOf(readTree(tree, 'tree', leafReader));
    leaves.forEach(checkStillThere);
    checkLeavesFree(leaves, 'read');
    const { dtypes } = constants();
    return native().globalNorm(
      leaves.map(({ data }) => data),
      Uint8Array.from(leaves, ({ dtype }) => dtypes.indexOf(dtype)),
      // As steps do.
      policyFor('auto').flushSubnormals,
    );
  });
}
