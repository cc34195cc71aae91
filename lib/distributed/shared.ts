// Trees that an exchange writes.
import { Footprint } from '../memory/inUse';
import { type CheckedLeaf, isShared, leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import { typeError } from '../errors';

/** The leaves of a tree in shared memory, and the memory. */
export function readShared(
  what: string,
  tree: unknown,
): { readonly leaves: readonly CheckedLeaf[]; readonly footprint: Footprint } {
  const leaves = leavesOf(readTree(tree, 'tree', leafReader));
  for (const { data, name } of leaves) {
    if (isShared(data)) continue;
    throw typeError('not-shared', `${what}: ${name}`, 'shared memory: make it by zeros, zerosLike or clone', data);
  }
  return { leaves, footprint: new Footprint(() => ({ written: leaves.map(({ data }) => data), read: [] })) };
}
