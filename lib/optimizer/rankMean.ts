// The mean of gradients over all ranks, in arrays of its own.
import { native } from '../addon/native';
import { Settings } from '../addon/settings';
import { checkLeavesFree } from '../memory/inUse';
import { zeros } from '../memory/zeros';
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
  const sums = lists.map(([{ dtype, shape, length, name }]) => {
    const tensor = zeros(shape ?? [length], wideDtype(dtype));
    return { tensor, leaf: checkLeaf(tensor, name) };
  });
  const { flushSubnormals } = policyFor('auto');
  addUp(
    lists,
    sums.map(({ leaf }) => leaf),
    flushSubnormals,
  );
  const lines = [`gradients ${String(trees.length)}`, ...sums.map(({ leaf }) => describe(leaf))];
  await talk.sum(
    'averageGradients',
    lines,
    sums.map(({ leaf }) => leaf),
    { flushSubnormals, divisor: size * trees.length },
  );
  return treeWith(
    first.node,
    sums.map(({ tensor }) => tensor),
  );
}

function addUp(lists: readonly (readonly CheckedLeaf[])[], sums: readonly CheckedLeaf[], flush: boolean): void {
  const settings = new Settings(0);
  settings.set('flushSubnormals', flush);
  const leaves = lists.map((gradients, i): StepLeaf => ({ parameter: sums[i], gradients, group: 0, first: [] }));
  const prepared = prepareSum(leaves, settings);
  native().step(prepared);
  native().release(prepared);
}
