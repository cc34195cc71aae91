// What a tree looked like when it was read, so that the next step can tell in nanoseconds per leaf whether it still does.
// Nothing here allocates. Objects that nothing else looks into are compared by Object.is, which compares pointers: ===
// is faster but reads what both are first, and with many leaves each such read is a cache miss.
import { type CheckedLeaf, bufferOf, isShared, lengthOf } from './leaf';
import { keyAt, leavesOf, type Node } from './tree';

/** One branch: its keys in order (none for an array), and what stood at each. */
interface BranchWatch {
  readonly container: object;
  readonly keys: readonly string[] | undefined;
  readonly values: readonly unknown[];
}

type TensorLike = { readonly data: unknown; readonly shape: unknown; readonly dtype: unknown };

/** A tree as it was read. */
export class Snapshot {
  readonly #root: unknown;
  readonly #branches: BranchWatch[] = [];
  readonly #tensors = new TensorWatch();
  /** Leaves whose memory can go away or change its length. */
  readonly #movable: CheckedLeaf[];

  constructor(root: unknown, node: Node<CheckedLeaf>) {
    this.#root = root;
    this.#watch(node);
    const leaves = leavesOf(node);
    for (const { leaf, data, dtype, shape } of leaves) {
      if (shape) this.#tensors.add(leaf as TensorLike, data, dtype, shape);
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
    return this.#tensors.areSame();
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

/** Tensors and what they held, in flat lists: an object for each would cost as many cache misses as the tensor itself. */
class TensorWatch {
  readonly #tensors: TensorLike[] = [];
  readonly #data: unknown[] = [];
  readonly #dtypes: unknown[] = [];
  readonly #shapes: unknown[] = [];
  /** The number of axes; -1 for a shape that can't change, so that there is no need to look into it. */
  readonly #ranks: number[] = [];
  /** Each axis of one changeable shape after another. */
  readonly #axes: number[] = [];

  add(tensor: TensorLike, data: unknown, dtype: unknown, shape: readonly number[]): void {
    const isFixed = isConstant(tensor.shape);
    this.#tensors.push(tensor);
    this.#data.push(data);
    this.#dtypes.push(dtype);
    this.#shapes.push(tensor.shape);
    this.#ranks.push(isFixed ? -1 : shape.length);
    if (!isFixed) this.#axes.push(...shape);
  }

  areSame(): boolean {
    const tensors = this.#tensors;
    const data = this.#data;
    const dtypes = this.#dtypes;
    const shapes = this.#shapes;
    const ranks = this.#ranks;
    const axes = this.#axes;
    let next = 0;
    for (let i = 0; i < tensors.length; i++) {
      const tensor = tensors[i];
      if (tensor.dtype !== dtypes[i] || !Object.is(tensor.data, data[i])) return false;
      const { shape } = tensor;
      const rank = ranks[i];
      if (rank < 0) {
        if (!Object.is(shape, shapes[i])) return false;
        continue;
      }
      if (!Array.isArray(shape) || shape.length !== rank) return false;
      for (let axis = 0; axis < rank; axis++) if (shape[axis] !== axes[next++]) return false;
    }
    return true;
  }
}

/** True for a frozen array of values, such as the shapes that this package makes. */
function isConstant(shape: unknown): boolean {
  if (!Array.isArray(shape) || !Object.isFrozen(shape)) return false;
  return shape.every((_, i) => Object.getOwnPropertyDescriptor(shape, i)?.get === undefined);
}
