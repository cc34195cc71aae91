// Remembers trees, so that the next step can tell in nanoseconds per leaf whether they have changed. Comparing
// allocates nothing. Object.is compares pointers. === is faster, but first reads the type of both objects: with many leaves
// each such read is a cache miss. So Object.is compares the objects that nothing else reads.
import { bufferOf, type CheckedLeaf, isShared, isStillThere } from '../tree/leaf';
import { isLeafNode, keyAt, leavesOf, type Node } from '../tree/tree';

/** The caller's tree, and its nodes. */
export interface ReadTree {
  readonly given: unknown;
  /** For messages. */
  readonly name: string;
  readonly node: Node<CheckedLeaf>;
}

/** One branch: its keys in order (none for an array), and the value at each. */
interface BranchWatch {
  readonly container: object;
  readonly keys: readonly string[] | undefined;
  readonly values: readonly unknown[];
}

type TensorLike = { readonly data: unknown; readonly shape: unknown; readonly dtype: unknown };

/** Trees as they were read. */
export class Snapshot {
  readonly #given: readonly unknown[];
  readonly #branches: BranchWatch[] = [];
  readonly #tensors = new TensorWatch();
  /** Leaves whose memory can be detached or change its length. */
  readonly #movable: Pick<CheckedLeaf, 'data' | 'length'>[] = [];

  constructor(trees: readonly ReadTree[]) {
    this.#given = trees.map(({ given }) => given);
    for (const { node } of trees) this.#watch(node);
  }

  #watch(node: Node<CheckedLeaf>): void {
    this.#watchBranches(node);
    for (const leaf of leavesOf(node)) {
      if (leaf.shape) this.#tensors.add(leaf);
      if (canMove(leaf)) this.#movable.push({ data: leaf.data, length: leaf.length });
    }
  }

  #watchBranches(node: Node<CheckedLeaf>): void {
    if (isLeafNode(node)) return;
    const values = node.children.map((child) => (isLeafNode(child) ? child.leaf.leaf : child.container));
    this.#branches.push({ container: node.container, keys: node.keys && values.map((_, i) => keyAt(node, i)), values });
    for (const child of node.children) this.#watchBranches(child);
  }

  /** Trees that were read. */
  get count(): number {
    return this.#given.length;
  }

  /** True if there were two trees, and these are they. */
  areOf(first: unknown, second: unknown): boolean {
    const given = this.#given;
    return given.length === 2 && given[0] === first && given[1] === second;
  }

  /** True if tree number `i` was this object. */
  isOf(tree: unknown, i: number): boolean {
    return this.#given[i] === tree;
  }

  /** True if the same objects stand at the same keys, in the same order, and all memory is still there. */
  holds(): boolean {
    try {
      for (const branch of this.#branches) {
        if (!isSameBranch(branch)) return false;
      }
      // Memory last: a getter of the tree could detach it. This check runs none of the caller's code.
      return this.#tensors.areSame() && this.#isMemorySame();
    } catch {
      return false; // a getter threw: whoever reads the trees again says so
    }
  }

  #isMemorySame(): boolean {
    for (const leaf of this.#movable) {
      if (!isStillThere(leaf)) return false;
    }
    return true;
  }
}

/** Shared memory that can't grow never changes. */
function canMove({ data }: CheckedLeaf): boolean {
  const buffer = bufferOf(data) as SharedArrayBuffer;
  return !isShared(data) || (buffer.growable && buffer.byteLength !== buffer.maxByteLength);
}

function isSameBranch({ container, keys, values }: BranchWatch): boolean {
  return keys ? sameObject(container, keys, values) : sameArray(container as readonly unknown[], values);
}

function sameObject(container: object, keys: readonly string[], values: readonly unknown[]): boolean {
  let i = 0;
  // for...in walks the keys of a plain object without an array of them.
  for (const key in container) {
    // Inherited keys come last: somebody may have added them to Object.prototype.
    if (i === keys.length && !Object.hasOwn(container, key)) break;
    const value = (container as Record<string, unknown>)[key];
    if (value === undefined) continue; // as one that is not there
    if (key !== keys[i] || value !== values[i]) return false;
    i++;
  }
  return i === keys.length;
}

function sameArray(items: readonly unknown[], values: readonly unknown[]): boolean {
  if (items.length !== values.length) return false;
  for (let i = 0; i < values.length; i++) {
    if (items[i] !== values[i]) return false;
  }
  return true;
}

/** Marks a shape whose items have to be compared. */
const CHANGEABLE = Symbol('changeable shape');

/** Tensors and their contents in one list: an object for each would double the cache misses. */
class TensorWatch {
  /** Four items for each tensor: itself, its dtype, its data, and its shape if that can't change. */
  readonly #held: unknown[] = [];
  /** Of each tensor whose shape can change: its axes. */
  readonly #axes = new Map<number, readonly number[]>();

  /** Uses only what was read of the tensor: to touch it again would run code of the caller's. */
  add({ leaf, dtype, data, shape, hasConstantShape }: CheckedLeaf): void {
    if (!hasConstantShape) this.#axes.set(this.#held.length, shape as readonly number[]);
    this.#held.push(leaf, dtype, data, hasConstantShape ? shape : CHANGEABLE);
  }

  areSame(): boolean {
    const held = this.#held;
    for (let i = 0; i < held.length; i += 4) {
      const tensor = held[i] as TensorLike;
      if (tensor.dtype !== held[i + 1] || !Object.is(tensor.data, held[i + 2])) return false;
      const { shape } = tensor;
      if (Object.is(shape, held[i + 3])) continue;
      const axes = this.#axes.get(i);
      if (!axes || !Array.isArray(shape) || !sameArray(shape, axes)) return false;
    }
    return true;
  }
}
