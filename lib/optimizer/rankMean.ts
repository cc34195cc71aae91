// The mean of gradients over all ranks, in arrays of its own.
import { native } from '../addon/native';
import { Settings } from '../addon/settings';
import { checkLeavesFree } from '../memory/inUse';
import { zerosFor } from '../memory/zeros';
import { prepareSum, type StepLeaf } from './prepare';
import { listsOf } from './accumulator';
import { policyFor } from './device';
import { checkAllThere, readGradients } from './trees';
import { wideDtype } from '../state/slot';
import { checkLeaf, type CheckedLeaf } from '../tree/leaf';
import { treeWith } from '../tree/tree';
import { describe, type Talk } from '../distributed/talk';

/** Sums the trees here, then over all ranks, and divides. */
export async function meanOverRanks(gradients: unknown, size: number, talk: Talk): Promise<unknown> {
  const trees = readGradients(gradients, false);
  checkAllThere(trees);
  const [first] = trees;
  const lists = listsOf(trees);
  checkLeavesFree(lists.flat(), 'read');
  const tensors = zerosFor(
    lists.map(([{ dtype, shape, length }]) => ({ dtype: wideDtype(dtype), shape: shape ?? [length], length })),
  );
  const sums = tensors.map((tensor, i) => checkLeaf(tensor, lists[i][0].name));
  const { flushSubnormals } = policyFor('auto');
  addUp(lists, sums, flushSubnormals);
  const lines = [`gradients ${String(trees.length)}`, ...sums.map(describe)];
  const how = { flushSubnormals, divisor: size * trees.length };
  await talk.sum('averageGradients', lines, sums, how);
  return treeWith(first.node, tensors);
}

function addUp(lists: readonly (readonly CheckedLeaf[])[], sums: readonly CheckedLeaf[], flush: boolean): void {
  const settings = new Settings(0);
  settings.set('flushSubnormals', flush);
  const leaves = lists.map((gradients, i): StepLeaf => ({ parameter: sums[i], gradients, group: 0, first: [] }));
  const prepared = prepareSum(leaves, settings);
  native().step(prepared);
  native().release(prepared);
}
