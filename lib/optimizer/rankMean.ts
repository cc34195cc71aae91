// The mean of gradients over all ranks, in arrays of its own.
import { footprintOf, useForFile } from '../memory/inUse';
import { copiesOf, zerosFor } from '../memory/zeros';
import { wideDtype } from '../state/slot';
import { checkLeaf, type CheckedLeaf, isShared } from '../tree/leaf';
import { treeWith } from '../tree/tree';
import { describe, type Talk } from '../distributed/talk';
import { listsOf } from './accumulator';
import { policyFor } from './device';
import { RankSum } from './rankSum';
import { checkAllThere, readGradients } from './trees';

/** Whether the ranks of a world flush float32 subnormals, once they have asked each other. */
const areFlushed = new WeakMap<Talk, boolean>();

/** Sums the trees here, then over all ranks, and divides. */
export async function meanOverRanks(gradients: unknown, talk: Talk): Promise<unknown> {
  const trees = readGradients(gradients, false);
  checkAllThere(trees);
  const lists = listsOf(trees);
  const given = new Given(lists.flat());
  return useForFile('averageGradients', footprintOf(given.leaves, 'read'), async () => {
    const means = zerosFor(
      lists.map(([{ dtype, shape, length }]) => ({ dtype: wideDtype(dtype), shape: shape ?? [length], length })),
    );
    const sum = new RankSum(
      lists.map((own, i) => ({ sum: checkLeaf(means[i], own[0].name), gradients: own.map(given.sharedOf) })),
    );
    try {
      const flushSubnormals = areFlushed.get(talk) ?? (await talk.anyFlushes(policyFor('auto').flushSubnormals));
      areFlushed.set(talk, flushSubnormals);
      const lines = [`gradients ${String(trees.length)}`, ...sum.leaves.map(({ to }) => describe(to))];
      await talk.sum(lines, sum.leaves, {
        what: 'averageGradients',
        prepare: () => sum.sumHere(flushSubnormals),
        flushSubnormals,
        divisor: talk.size * trees.length,
      });
    } finally {
      sum.release();
    }
    return treeWith(trees[0].node, means);
  });
}

/** Gradients as they are when they are given: ordinary memory, which anybody could take away, is copied. */
class Given {
  readonly leaves: readonly CheckedLeaf[];
  readonly #shared = new Map<CheckedLeaf, CheckedLeaf>();

  constructor(all: readonly CheckedLeaf[]) {
    const ordinary = all.filter(({ data }) => !isShared(data));
    const copies = copiesOf(ordinary);
    ordinary.forEach((leaf, i) => this.#shared.set(leaf, checkLeaf(copies[i], leaf.name)));
    this.leaves = all.map(this.sharedOf);
  }

  readonly sharedOf = (leaf: CheckedLeaf): CheckedLeaf => this.#shared.get(leaf) ?? leaf;
}
