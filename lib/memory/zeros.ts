// `zeros`, `zerosLike` and `clone`: trees in shared memory.
import { calledFrom } from '../caller';
import { allocate, type LeafSpec } from './arena';
import { checkLeavesFree } from './inUse';
import { type Dtype, DTYPES, type LeafData, viewOf } from '../tree/dtype';
import { rangeError, show, typeError, Verbatim } from '../errors';
import {
  byteLengthOf,
  bytesOf,
  type CheckedLeaf,
  checkLeaf,
  checkShape,
  checkStillThere,
  isShared,
  type Layout,
  leafReader,
  looksLikeLeaf,
  notALeaf,
} from '../tree/leaf';
import { buildTree, leavesOf, type Reader, readTree, treeWith } from '../tree/tree';
import type { Tree, WithDtype, Zeros } from '../tree/types';

type Shape = readonly number[];

const isShape = (value: unknown): boolean =>
  typeof value === 'number' || (Array.isArray(value) && value.every((axis) => typeof axis === 'number'));

const SHAPES = 'a shape (a whole number or an array of them), or an object or array of shapes';

/** The name of what `zeros` is given. */
const ROOT = 'shape';

/** Below an object it could be a scalar's shape, or a list of layers that happens to be empty. */
function emptyArray(name: string): Error {
  const received = 'an empty array; leave an empty list out, and write [1] for one number';
  return rangeError('invalid-shape', name, 'a shape with an axis, or a tree of shapes', new Verbatim(received));
}

const shapeReader: Reader<Shape> = {
  isLeaf: isShape,
  read: (value, name) => {
    if (Array.isArray(value) && value.length === 0 && name !== ROOT) throw emptyArray(name);
    return checkShape(typeof value === 'number' ? [value] : value, name);
  },
  refuse: (value, name) => typeError('invalid-shape', name, SHAPES, value),
};

/**
 * Makes a tensor of zeros, or a tree of them, in one new piece of shared memory (an arena). A GPU can use an arena without
 * a copy and step it in one dispatch.
 *
 * @param shapeOrTree A shape (`10`, `[784, 128]`; `[]` is a scalar), or an object or array of shapes to any depth, in which
 *   `[]` is refused.
 * @param dtype Of all leaves; default `'float32'`. 16-bit dtypes are stored as words in a `Uint16Array`.
 * @returns `Tensor`s in the structure of `shapeOrTree`.
 * @throws TypeError or RangeError (code `invalid-shape`, `invalid-option`, `invalid-tree`) that names the path.
 */
export function zeros<const S, D extends Dtype = 'float32'>(shapeOrTree: S, dtype?: D): Zeros<S, D>;
export function zeros(shapeOrTree: unknown, dtype: unknown = 'float32', ...more: readonly unknown[]): unknown {
  return calledFrom(zeros, () => {
    if (typeof dtype === 'number') {
      const axes = [shapeOrTree, dtype, ...more].map(show).join(', ');
      throw typeError(
        'invalid-option',
        'dtype',
        DTYPES.join(', '),
        new Verbatim(`${show(dtype)}; for a shape of several axes write zeros([${axes}])`),
      );
    }
    const known = checkDtype(dtype);
    refuseMore('zeros', 'a shape or a tree of shapes, and a dtype', more);
    const tree = readTree(shapeOrTree, ROOT, shapeReader);
    const data = allocate(leavesOf(tree).map((shape): LeafSpec => ({ dtype: known, shape })));
    return treeWith(
      tree,
      leavesOf(tree).map((shape, i) => ({ data: data[i], shape: Object.freeze(shape), dtype: known })),
    );
  });
}

/**
 * Makes a tree of zeros with the structure, kinds of leaves, shapes and dtypes of `tree`, in one new arena.
 *
 * @throws TypeError or RangeError (code `invalid-leaf`, `invalid-tree`, ...) that names the path.
 */
export function zerosLike<P>(tree: P & Tree<P>): P;
/**
 * The same with one dtype for all leaves, which all are `Tensor`s then.
 *
 * @param dtype As for `zeros`.
 * @throws Also RangeError (code `invalid-option`) for a dtype that is none.
 */
export function zerosLike<P, D extends Dtype>(tree: P & Tree<P>, dtype: D): WithDtype<P, D>;
export function zerosLike(tree: unknown, dtype?: unknown, ...more: readonly unknown[]): unknown {
  return calledFrom(zerosLike, () => {
    refuseMore('zerosLike', 'a tree and a dtype', more);
    const node = readTree(tree, 'tree', leafReader);
    if (dtype === undefined) return treeWith(node, zerosFor(leavesOf(node)));
    const known = checkDtype(dtype);
    const layouts = leavesOf(node).map(({ shape, length }) => ({ dtype: known, shape: shape ?? [length], length }));
    return treeWith(node, zerosFor(layouts));
  });
}

/**
 * Copies a tree into one new arena. Also copies an optimizer's `state`, numbers included. (`structuredClone` of shared
 * memory does not copy it.)
 *
 * @throws TypeError or RangeError (code `invalid-leaf`, `invalid-tree`, ...) that names the path; code `busy` while a step
 *   of `updateAsync` writes the tree.
 */
export function clone<T>(tree: T): T;
export function clone(tree: unknown, ...more: readonly unknown[]): unknown {
  return calledFrom(clone, () => {
    refuseMore('clone', 'a tree', more);
    const node = readTree(tree, 'tree', cloneReader);
    const leaves = leavesOf(node).filter((leaf) => typeof leaf !== 'number');
    const copies = copiesOf(leaves);
    let next = 0;
    return buildTree(node, (leaf) => (typeof leaf === 'number' ? leaf : copies[next++]));
  });
}

function checkDtype(dtype: unknown): Dtype {
  const known = DTYPES.find((one) => one === dtype);
  if (!known) throw rangeError('invalid-option', 'dtype', DTYPES.join(', '), dtype);
  return known;
}

/** Arguments that nothing would be done with are a mistake. */
export function refuseMore(what: string, expected: string, more: readonly unknown[]): void {
  if (more.length > 0) throw rangeError('invalid-option', what, `${expected} alone`, more[0]);
}

/** The numbers of an optimizer's state. */
const STATE_NUMBER = /\.(step|learningRate|accumulated)$/;

const cloneReader: Reader<CheckedLeaf | number> = {
  isLeaf: (value) => typeof value === 'number' || looksLikeLeaf(value),
  read: (value, name) => {
    if (typeof value !== 'number') return checkLeaf(value as object, name);
    if (!STATE_NUMBER.test(name)) throw notALeaf(value, name);
    return value;
  },
  refuse: notALeaf,
};

/** Zeros with these layouts, in one new arena. */
export function zerosFor(leaves: readonly Layout[]): object[] {
  const data = allocate(leaves.map(({ dtype, shape, length }): LeafSpec => ({ dtype, shape: shape ?? [length] })));
  return leaves.map((leaf, i) => leafWith(leaf, data[i]));
}

/** Copies of the given leaves, in one new arena. */
export function copiesOf(leaves: readonly CheckedLeaf[]): object[] {
  leaves.forEach(checkStillThere);
  checkLeavesFree(leaves, 'read');
  const copies = zerosFor(leaves);
  copies.forEach((copy, i) => {
    copyElements(leaves[i], checkLeaf(copy, 'copy'));
  });
  return copies;
}

/** A copy of `leaf`: in an arena if `leaf` is shared, else in an ordinary array. */
export function copyOf(leaf: CheckedLeaf): object {
  return copiesLike([leaf])[0];
}

/** The same for many: one arena for all shared ones. */
export function copiesLike(leaves: readonly CheckedLeaf[]): object[] {
  const shared = copiesOf(leaves.filter(({ data }) => isShared(data)));
  let next = 0;
  return leaves.map((leaf) => (isShared(leaf.data) ? shared[next++] : plainCopyOf(leaf)));
}

/** A copy in an ordinary array. `slice` would run the code of a subclass. */
function plainCopyOf(leaf: CheckedLeaf): object {
  const data = viewOf(leaf.dtype, new ArrayBuffer(byteLengthOf(leaf)), 0, leaf.length);
  const copy = leafWith(leaf, data);
  copyElements(leaf, { ...leaf, leaf: copy, data });
  return copy;
}

/** Copies the bits of one leaf to another like it; a NaN keeps its payload. */
export function copyElements(from: CheckedLeaf, to: CheckedLeaf): void {
  const parts = bytesOf(from);
  bytesOf(to).forEach((part, i) => {
    part.set(parts[i]);
  });
}

/** Makes the elements of a leaf zero. */
export function clearElements(leaf: CheckedLeaf): void {
  for (const part of bytesOf(leaf)) part.fill(0);
}

type Float16ArrayConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => object;

const Float16Array = (globalThis as { Float16Array?: Float16ArrayConstructor }).Float16Array;

/** A leaf with this layout over other elements. The constructor of a caller's leaf could return anything. */
export function leafWith({ dtype, shape }: Layout, data: LeafData): object {
  if (shape) return { data, shape: Object.freeze(shape), dtype };
  return dtype === 'float16' && Float16Array ? new Float16Array(data.buffer, data.byteOffset, data.length) : data;
}
