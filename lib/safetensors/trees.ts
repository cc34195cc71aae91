// Between trees and files: the tensors of a tree, the arrays that a file fills, and new trees for a file.
import { allocate } from '../memory/arena';
import type { Read } from './read';
import { fromNote, fromPaths, KINDS, noteOf, type TakeLeaf } from './names';
import { type Difference, leafDifference, type LeafLayout, listDifferences } from '../tree/compare';
import { type Dtype, DTYPES, type LeafData } from '../tree/dtype';
import { coded, isOurs } from '../errors';
import { bytesOf, type CheckedLeaf, checkLeaf, isDetached, lengthOf, sizeOf } from '../tree/leaf';
import { type Path, pathIn, prefixed } from '../tree/paths';
import { type Entry, fileError, formatName, type Item, leafDtype } from './header';
import { EMPTY, leavesOf, type Node } from '../tree/tree';

/** The memory of a leaf, if it is still there. */
function partsOf(leaf: CheckedLeaf): Uint8Array[] {
  if (isDetached(leaf.data) || lengthOf(leaf.data) !== leaf.length) {
    throw coded(
      TypeError,
      'detached',
      `${leaf.name}: its buffer was detached while the file was being read or written`,
    );
  }
  return bytesOf(leaf);
}

/** The tensor that a leaf becomes in a file. */
export function itemOf(name: string, leaf: CheckedLeaf): Item {
  const { dtype, shape, length } = leaf;
  return { name, dtype: formatName(dtype), shape: shape ?? [length], parts: partsOf(leaf) };
}

/** The reads of a tensor's elements into a leaf. */
export function readInto({ start }: Entry, leaf: CheckedLeaf): Read[] {
  let end = start;
  return partsOf(leaf).map((bytes) => ({ start: end, end: (end += bytes.length), bytes }));
}

/** The layout of a tensor, to compare with a leaf's. */
function layoutOf({ dtype, shape }: Entry): LeafLayout {
  return { dtype: leafDtype(dtype) ?? dtype, shape, length: sizeOf(shape) };
}

/** What a load into arrays that are there expects. */
export const SAME_TREE = 'expected the same tree, received one with differences';

/** Throws if there are differences. The text begins with `verdict` and lists the first; `differences` lists all of them. */
export function refuseDifferences(file: string, differences: readonly Difference[], verdict: string): void {
  if (differences.length === 0) return;
  const message = `${file}: ${verdict}:\n${listDifferences(differences)}`;
  throw Object.assign(coded(RangeError, 'file-mismatch', message), { differences });
}

/** The note of a tree; undefined if its paths alone determine it. A tree without leaves has no path that shows it. */
export function noteFor(node: Node<CheckedLeaf>, pathOf: (leaf: CheckedLeaf) => Path): string | undefined {
  const note = noteOf(node, ({ shape }) => (shape ? KINDS.tensor : KINDS.bare));
  const leaves = leavesOf(node).map((leaf) => ({ path: pathOf(leaf), leaf }));
  if (leaves.length === 0) return note;
  try {
    const plain = noteOf(fromPaths('', leaves, EMPTY), () => KINDS.tensor);
    return note === plain ? undefined : note;
  } catch (error) {
    if (!isOurs(error)) throw error;
    return note; // not a tree by its paths: {'a': x, 'a.b': y}
  }
}

/** A leaf to be filled from the tensor of its path. */
export interface Target {
  readonly path: Path;
  /** Its name in differences. */
  readonly name: string;
  /** The tensor must have this dtype and shape. */
  readonly model: LeafLayout;
}

/** Finds the tensor of each target. `nameOf` names tensors without a target. */
export function matchTensors<T extends Target>(
  entries: ReadonlyMap<string, Entry>,
  targets: readonly T[],
  nameOf: (path: string) => string,
): { fits: { target: T; entry: Entry }[]; differences: Difference[] } {
  const fits: { target: T; entry: Entry }[] = [];
  const differences: Difference[] = [];
  const extra = new Map(entries);
  for (const target of targets) {
    const entry = extra.get(target.path ?? '');
    extra.delete(target.path ?? '');
    const difference = entry && leafDifference(layoutOf(entry), target.model, target.name);
    if (difference) differences.push(difference);
    else if (entry) fits.push({ target, entry });
    else differences.push({ path: target.name, kind: 'missing' });
  }
  for (const path of extra.keys()) differences.push({ path: nameOf(path), kind: 'extra' });
  return { fits, differences };
}

/** The reads that fill existing leaves, and the differences that prevent others. */
export interface Filling {
  readonly reads: readonly Read[];
  readonly differences: readonly Difference[];
}

/** Fills each leaf from the tensor of its path. `root` begins the leaves' names. */
export function fill(entries: ReadonlyMap<string, Entry>, leaves: readonly CheckedLeaf[], root: string): Filling {
  const targets = leaves.map((leaf) => {
    return { path: pathIn(root, leaf.name), name: leaf.name, model: leaf };
  });
  const { fits, differences } = matchTensors(entries, targets, (path) => `${root}.${path}`);
  return { reads: fits.flatMap(({ target, entry }) => readInto(entry, target.model)), differences };
}

/** Tensors by whether a leaf can hold them. */
interface Split {
  readonly floats: readonly Found[];
  readonly others: readonly Found[];
  /** One for each of the others. */
  readonly differences: readonly Difference[];
}

/** Splits tensors by whether a leaf can hold them. */
export function splitFloats(found: readonly Found[], root: string): Split {
  const floats = found.filter(({ entry }) => leafDtype(entry.dtype));
  const others = found.filter(({ entry }) => !leafDtype(entry.dtype));
  const expected = DTYPES.join(', ');
  const differences = others.map(({ path, entry }): Difference => ({
    path: prefixed(root, path) ?? root,
    kind: 'dtype',
    expected,
    received: entry.dtype,
  }));
  return { floats, others, differences };
}

/** A tensor that becomes a leaf. */
export interface Found {
  readonly path: Path;
  readonly entry: Entry;
}

/** A leaf of a tree that a file describes. */
export interface Placed {
  readonly entry: Entry;
  readonly isBare: boolean;
}

/** Tensors by their path. Throws if two have the same. */
export function byPath(file: string, found: readonly Found[]): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const { path = '', entry } of found) {
    if (entries.has(path)) {
      throw fileError(file, `tensor ${JSON.stringify(entry.name)}`, 'a path of its own', 'that of another tensor');
    }
    entries.set(path, entry);
  }
  return entries;
}

/** The tree that the tensors belong to: by the note, or by their paths. `others` of the note are left out. */
export function placeAll(
  file: string,
  found: readonly Found[],
  note: string | undefined,
  others: readonly Found[] = [],
): Node<Placed> {
  if (note === undefined) {
    const leaves = found.map(({ path, entry }) => ({ path, leaf: { entry, isBare: false } }));
    return fromPaths<Placed>(file, leaves, EMPTY);
  }
  const left = byPath(file, [...found, ...others]);
  const leftOut = new Set(others.map(({ entry }) => entry));
  const take: TakeLeaf<Placed> = (path, kind) => {
    const entry = left.get(path ?? '');
    left.delete(path ?? '');
    const isBare = kind === KINDS.bare;
    if (entry && (isBare || kind === KINDS.tensor)) return leftOut.has(entry) ? undefined : { entry, isBare };
    throw fileError(file, path ?? 'the root', 'one tensor, as the note of the tree says', 'none or two');
  };
  const node = fromNote(file, note, take, EMPTY);
  for (const [path, { start }] of left) {
    const where = `tensor ${JSON.stringify(path)} at byte ${String(start)}`;
    throw fileError(file, where, 'one that the note of the tree knows', 'another');
  }
  return node;
}

type Float16 = new (buffer: ArrayBufferLike, offset: number, length: number) => object;

/** A new leaf for a tensor. */
export interface Made {
  readonly entry: Entry;
  readonly leaf: CheckedLeaf;
}

/** Makes all leaves, in one arena and in the tree's order. `root` is for messages. */
export function makeLeaves(placed: readonly Placed[], root: string): Made[] {
  const data = allocate(placed.map(({ entry: { dtype, shape } }) => ({ dtype: leafDtype(dtype) as Dtype, shape })));
  return placed.map(({ entry, isBare }, i): Made => {
    const dtype = leafDtype(entry.dtype) as Dtype;
    const bare = isBare ? bareArray(dtype, data[i]) : undefined;
    const leaf = bare ?? { data: data[i], shape: Object.freeze([...entry.shape]), dtype };
    return { entry, leaf: checkLeaf(leaf, `${root} ${entry.name}`) };
  });
}

/** The bare typed array of a dtype, if the runtime has one. */
function bareArray(dtype: Dtype, elements: LeafData): object | undefined {
  if (dtype === 'float32' || dtype === 'float64') return elements;
  const Float16 = (globalThis as { Float16Array?: Float16 }).Float16Array;
  if (dtype === 'bfloat16' || !Float16) return undefined;
  return new Float16(elements.buffer, elements.byteOffset, elements.length);
}
