// What a tree looked like when it was read, so that the next step can tell in nanoseconds per leaf whether it still does.
// Nothing here allocates.
import { type CheckedLeaf, bufferOf, isShared, lengthOf } from './leaf';
import { keyAt, leavesOf, type Node } from './tree';

/** One branch: its keys in order (none for an array), and what stood at each. */
interface BranchWatch {
  readonly container: object;
  readonly keys: readonly string[] | undefined;
  readonly values: readonly unknown[];
}

interface TensorWatch {
  readonly tensor: { data: unknown; shape: unknown; dtype: unknown };
  readonly data: unknown;
  readonly dtype: unknown;
  readonly shape: readonly number[];
}

/** A tree as it was read. */
export class Snapshot {
  readonly #root: unknown;
  readonly #branches: BranchWatch[] = [];
  readonly #tensors: TensorWatch[] = [];
  /** Leaves whose memory can go away or change its length. */
  readonly #movable: CheckedLeaf[];

  constructor(root: unknown, node: Node<CheckedLeaf>) {
    this.#root = root;
    this.#watch(node);
    const leaves = leavesOf(node);
    for (const { leaf, data, dtype, shape } of leaves) {
      if (shape) this.#tensors.push({ tensor: leaf as TensorWatch['tensor'], data, dtype, shape });
    }
    this.#movable = leaves.filter((leaf) => canMove(leaf));
  }

  #watch(node: Node<CheckedLeaf>): void {
    if ('leaf' in node) return;
    const values = node.children.map((child) => ('leaf' in child ? child.leaf.leaf : child.container));
    this.#branches.push({ container: node.container, keys: node.keys && values.map((_, i) => keyAt(node, i)), values });
    for (const child of node.children) this.#watch(child);
  }

  /** True if the same objects stand at the same keys, in the same order. May run getters of the tree. */
  sameTree(root: unknown): boolean {
    if (root !== this.#root) return false;
    for (const branch of this.#branches) {
      if (!(branch.keys ? sameObject(branch.container, branch.keys, branch.values) : sameArray(branch))) return false;
    }
    for (const watch of this.#tensors) {
      if (!sameTensor(watch)) return false;
    }
    return true;
  }

  /** True if all memory is where it was. Runs no code but ours: what it says holds until the caller returns. */
  sameMemory(): boolean {
    for (const { data, length } of this.#movable) {
      if (lengthOf(data) !== length) return false;
    }
    return true;
  }
}

/** Shared memory that can't grow stays as it is for good. */
function canMove({ data }: CheckedLeaf): boolean {
  const buffer = bufferOf(data) as SharedArrayBuffer;
  return !isShared(data) || (buffer.growable && buffer.byteLength !== buffer.maxByteLength);
}

function sameObject(container: object, keys: readonly string[], values: readonly unknown[]): boolean {
  let i = 0;
  // for...in walks the keys of a plain object without making an array of them.
  for (const key in container) {
    if (key !== keys[i] || (container as Record<string, unknown>)[key] !== values[i]) return false;
    i++;
  }
  return i === keys.length;
}

function sameArray({ container, values }: BranchWatch): boolean {
  const items = container as readonly unknown[];
  if (items.length !== values.length) return false;
  for (let i = 0; i < values.length; i++) {
    if (items[i] !== values[i]) return false;
  }
  return true;
}

function sameTensor({ tensor, data, dtype, shape }: TensorWatch): boolean {
  if (tensor.data !== data || tensor.dtype !== dtype) return false;
  const now = tensor.shape;
  if (!Array.isArray(now) || now.length !== shape.length) return false;
  for (let i = 0; i < shape.length; i++) {
    if (now[i] !== shape[i]) return false;
  }
  return true;
}
