// The trees that a step is given, read; and whether they are still the same.
import { typeError, Verbatim } from '../errors';
import { GradientMean } from '../gradients/mean';
import { type CheckedLeaf, checkStillThere, isShared, leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import type { ReadTree, Snapshot } from './snapshot';

const ORDERS = 'undefined; update takes (parameters, gradients), applyGradients (gradients, parameters)';

/** Reads gradients: one tree, or those of a `meanOf`. None only where `isOptional`. */
export function readGradients(gradients: unknown, isOptional: boolean): readonly ReadTree[] {
  const trees = GradientMean.treesOf(gradients);
  if (trees) return trees.map((tree, i) => read(tree, `gradients.${String(i)}`));
  if (gradients !== undefined) return [read(gradients, 'gradients')];
  if (isOptional) return [];
  throw typeError('invalid-leaf', 'gradients', 'a tree of gradients', new Verbatim(ORDERS));
}

export const readParameters = (parameters: unknown): ReadTree => read(parameters, 'parameters');

function read(given: unknown, name: string): ReadTree {
  return { given, name, node: readTree(given, name, leafReader) };
}

/** Throws if a getter that ran while the trees were read took memory away. */
export function checkAllThere(trees: readonly ReadTree[]): void {
  for (const { node } of trees) leavesOf(node).forEach(checkStillThere);
}

/** True if `gradients` are the trees that a snapshot has from number `from` on, and no others. Allocates nothing. */
export function areSame(gradients: unknown, snapshot: Snapshot, from: number): boolean {
  const trees = GradientMean.treesOf(gradients);
  if (!trees) {
    if (gradients === undefined) return snapshot.count === from;
    return snapshot.count === from + 1 && snapshot.isOf(gradients, from);
  }
  if (snapshot.count !== from + trees.length) return false;
  for (let i = 0; i < trees.length; i++) {
    if (!snapshot.isOf(trees[i], from + i)) return false;
  }
  return true;
}

/** Throws for a leaf in ordinary memory. */
export function checkShared({ data, name }: CheckedLeaf): void {
  if (isShared(data)) return;
  throw typeError(
    'not-shared',
    name,
    'shared memory, which nobody can take away from a running step: make it by zeros, zerosLike or clone',
    data,
  );
}
