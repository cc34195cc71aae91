// Trees and files: what a tree puts into a file, which arrays of a tree a file fills, and new trees for a file.
import { allocate } from '../memory/arena';
import type { Read } from './read';
import { fromNote, fromPaths, KINDS, noteOf, type Path, pathIn, prefixed, type TakeLeaf } from './names';
import { type Dtype, DTYPES, itemSize, type LeafData } from '../tree/dtype';
import { coded } from '../errors';
import {
  bufferOf,
  byteLengthOf,
  type CheckedLeaf,
  checkLeaf,
  isDetached,
  lengthOf,
  offsetOf,
  sameShape,
} from '../tree/leaf';
import { type Entry, fileError, formatName, type Item, leafDtype } from './header';
import { leavesOf, mapTree, type Node } from '../tree/tree';

/** Something in which a file and a tree differ. */
export interface Difference {
  /** With the root's name: 'parameters.layers.0.weight', 'state.parameters.layers.0.weight.v', 'state.step'. */
  readonly path: string;
  /** `missing`: not in the file; `extra`: in the file alone. */
  readonly kind: 'missing' | 'extra' | 'shape' | 'dtype';
  /** Of the tree: a shape ('[2, 3]', '6 elements') or a dtype. */
  readonly expected?: string;
  /** Of the file. */
  readonly received?: string;
}

/** The memory of a leaf, as bytes. */
export function bytesOf(leaf: CheckedLeaf): Uint8Array {
  if (isDetached(leaf.data) || lengthOf(leaf.data) !== leaf.length) {
    throw coded(TypeError, 'detached', `${leaf.name}: expected an array that stays, received one that was taken away`);
  }
  return new Uint8Array(bufferOf(leaf.data), offsetOf(leaf.data), byteLengthOf(leaf));
}

/** A leaf as it is to be written. */
export function itemOf(name: string, leaf: CheckedLeaf): Item {
  const { dtype, shape, length } = leaf;
  return { name, dtype: formatName(dtype), shape: shape ?? [length], bytes: bytesOf(leaf) };
}

/** Where the elements of a tensor go. */
export function readInto({ start, end }: Entry, leaf: CheckedLeaf): Read {
  return { start, end, bytes: bytesOf(leaf) };
}

/** The difference between a tensor and the leaf that it is for, if there is one. */
export function differenceOf(entry: Entry, leaf: CheckedLeaf, path: string): Difference | undefined {
  if (entry.dtype !== formatName(leaf.dtype)) {
    return { path, kind: 'dtype', expected: leaf.dtype, received: leafDtype(entry.dtype) ?? entry.dtype };
  }
  if (leaf.shape && !sameShape(leaf.shape, entry.shape)) {
    return { path, kind: 'shape', expected: show(leaf.shape), received: show(entry.shape) };
  }
  const received = (entry.end - entry.start) / itemSize(leaf.dtype);
  if (received === leaf.length) return undefined;
  return { path, kind: 'shape', expected: `${String(leaf.length)} elements`, received: String(received) };
}

const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** Throws if there are differences, with all of them as text and as the property `differences`. */
export function refuseDifferences(file: string, differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  const lines = differences.map(({ path, kind, expected, received }) =>
    expected === undefined ? `${path}: ${kind}` : `${path}: expected ${expected}, received ${String(received)}`,
  );
  const message = `${file}: expected the same tree, received one with differences:\n${lines.join('\n')}`;
  throw Object.assign(coded(RangeError, 'file-mismatch', message), { differences });
}

/** The note that a tree needs, or undefined if its paths alone tell it. */
export function noteFor(node: Node<CheckedLeaf>, pathOf: (leaf: CheckedLeaf) => Path): string | undefined {
  const note = noteOf(node, ({ shape }) => (shape ? KINDS.tensor : KINDS.bare));
  const leaves = leavesOf(node).map((leaf) => ({ path: pathOf(leaf), leaf }));
  try {
    const plain = noteOf(fromPaths('', leaves, EMPTY), () => KINDS.tensor);
    return note === plain ? undefined : note;
  } catch {
    return note; // not a tree by its paths: {'a': x, 'a.b': y}
  }
}

/** `{}`: no leaf, in a place that is kept. */
export const EMPTY: Node<never> = { container: {}, keys: [], children: [] };

/** What a file does to leaves that are there. */
export interface Filling {
  readonly reads: readonly Read[];
  readonly differences: readonly Difference[];
}

/** Fills each leaf from the tensor of its path. `root` begins the leaves' names, and those in differences. */
export function fill(entries: ReadonlyMap<string, Entry>, leaves: readonly CheckedLeaf[], root: string): Filling {
  const reads: Read[] = [];
  const differences: Difference[] = [];
  const extra = new Map(entries);
  for (const leaf of leaves) {
    const path = pathIn(root, leaf.name) ?? '';
    const entry = entries.get(path);
    extra.delete(path);
    const difference: Difference | undefined = entry
      ? differenceOf(entry, leaf, leaf.name)
      : { path: leaf.name, kind: 'missing' };
    if (difference) differences.push(difference);
    else if (entry) reads.push(readInto(entry, leaf));
  }
  for (const path of extra.keys()) differences.push({ path: `${root}.${path}`, kind: 'extra' });
  return { reads, differences };
}

/** Tensors that no leaf can hold, apart from those that one can. */
export function splitFloats(found: readonly Found[], root: string): { floats: Found[]; differences: Difference[] } {
  const floats = found.filter(({ entry }) => leafDtype(entry.dtype));
  const others = found.filter(({ entry }) => !leafDtype(entry.dtype));
  const expected = DTYPES.join(', ');
  const differences = others.map(({ path, entry }): Difference => ({
    path: prefixed(root, path) ?? root,
    kind: 'dtype',
    expected,
    received: entry.dtype,
  }));
  return { floats, differences };
}

/** A tensor that is to become a leaf. */
export interface Found {
  readonly path: Path;
  readonly entry: Entry;
}

/** A leaf of a tree that a note or the paths of a file tell. */
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

/** The tree in which tensors belong. */
export function placeAll(file: string, found: readonly Found[], note: string | undefined): Node<Placed> {
  if (note === undefined) {
    const leaves = found.map(({ path, entry }) => ({ path, leaf: { entry, isBare: false } }));
    return fromPaths<Placed>(file, leaves, EMPTY);
  }
  const left = byPath(file, found);
  const take: TakeLeaf<Placed> = (path, kind) => {
    const entry = left.get(path ?? '');
    left.delete(path ?? '');
    if (entry && (kind === KINDS.bare || kind === KINDS.tensor)) return { entry, isBare: kind === KINDS.bare };
    throw fileError(file, path ?? 'the root', 'one tensor, as the note of the tree says', 'none or two');
  };
  const node = fromNote(file, note, take);
  for (const [path, { start }] of left) {
    const where = `tensor ${JSON.stringify(path)} at byte ${String(start)}`;
    throw fileError(file, where, 'one that the note of the tree knows', 'another');
  }
  return node;
}

type Float16 = new (buffer: ArrayBufferLike, offset: number, length: number) => object;

/** A leaf that was made for a tensor. */
export interface Made {
  readonly entry: Entry;
  readonly leaf: CheckedLeaf;
}

/** New leaves for all that is placed, in one arena. `root` is for messages. */
export function makeLeaves(node: Node<Placed>, root: string): Node<Made> {
  const data = allocate(
    leavesOf(node).map(({ entry: { dtype, shape } }) => ({ dtype: leafDtype(dtype) as Dtype, shape })),
  );
  let next = 0;
  return mapTree(node, ({ entry, isBare }) => {
    const elements = data[next++];
    const dtype = leafDtype(entry.dtype) as Dtype;
    const bare = isBare ? bareArray(dtype, elements) : undefined;
    const leaf = checkLeaf(
      bare ?? { data: elements, shape: Object.freeze([...entry.shape]), dtype },
      `${root} ${entry.name}`,
    );
    return { entry, leaf };
  });
}

/** The typed array that is a leaf by itself, where the runtime has one for the dtype. */
function bareArray(dtype: Dtype, elements: LeafData): object | undefined {
  if (dtype === 'float32' || dtype === 'float64') return elements;
  const Float16 = (globalThis as { Float16Array?: Float16 }).Float16Array;
  if (dtype === 'bfloat16' || !Float16) return undefined;
  return new Float16(elements.buffer, elements.byteOffset, elements.length);
}
