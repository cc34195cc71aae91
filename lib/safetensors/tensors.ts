// Saves trees to safetensors files and loads them; does the same with bytes in memory.
import { calledFrom, calledFromAsync } from '../caller';
import { checkFlag, checkKeys, show, typeError } from '../errors';
import { checkLeavesFree, footprintOf, useForFile } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, leafReader } from '../tree/leaf';
import { type Path, pathIn, withoutPrefix } from '../tree/paths';
import { leavesOf, type Node, readTree, treeWith } from '../tree/tree';
import type { FileUrl, Leaf, Tree } from '../tree/types';
import { type Contents, layOut, type Piece } from './header';
import { checkMetadata, isOurs, type Metadata, metadataOf, noteIn, usersMetadata } from './metadata';
import { escapeName, noteBelow, noteName, unescapeName } from './names';
import { type Bytes, checkBytes, checkPath } from './options';
import { loadBytes, loadFile, type Loading, type Read } from './read';
import {
  byPath,
  fill,
  type Found,
  itemOf,
  makeLeaves,
  noteFor,
  placeAll,
  readInto,
  refuseDifferences,
  SAME_TREE,
  splitFloats,
} from './trees';
import { joinPieces, writeWhole } from './write';

/** The tree that a file is loaded into if there is none to fill. */
export type TensorTree = Leaf | TensorTree[] | { [key: string]: TensorTree };

/** Options of `loadTensors`. */
export interface LoadTensorsOptions<P = TensorTree> {
  /** A tree whose arrays are filled in place; `tree` has its type, or that of `loadTensors<Net>(path)`. Default: new arrays. */
  into?: (P & Tree<P>) | undefined;
  /** Default true: throws if the file differs from `into` in any way. False: loads what fits. */
  strict?: boolean | undefined;
  /** Loads only the tensors below this path: `'parameters'` for those of a checkpoint. */
  prefix?: string | undefined;
}

/** The result of `loadTensors`. */
export interface LoadedTensors<P = TensorTree> {
  /** `into`, or the new tree. */
  readonly tree: P;
  /** What was not loaded; empty when `strict`. */
  readonly differences: readonly Difference[];
  /** The strings that were saved with the tensors. */
  readonly metadata: Metadata;
}

/**
 * Saves a tree of leaves to a safetensors file, with MLX's flattened names. The new file replaces an old one atomically:
 * the name always stands for a whole file. Waits for the steps of `updateAsync` that were called before; those called later
 * wait until the file is whole. Until then, nobody else may write the arrays.
 *
 * @param metadata Strings to save with the tensors.
 * @throws RangeError of code `memory-overlap` if two leaves share memory: such a tree can't be loaded into, nor stepped.
 */
export async function saveTensors<P>(path: string | FileUrl, tree: P & Tree<P>, metadata?: Metadata): Promise<void> {
  await calledFromAsync(saveTensors, () => {
    const file = checkPath(path);
    const { leaves, pieces } = layOutTree(tree, metadata);
    return useForFile('saveTensors', footprintOf(leaves, 'read'), () => writeWhole(file, pieces));
  });
}

/** The bytes of the file that `saveTensors` writes. Throws with code `busy` while a step of `updateAsync` writes the tree. */
export function toBytes<P>(tree: P & Tree<P>, metadata?: Metadata): Bytes {
  return calledFrom(toBytes, () => {
    const { leaves, pieces } = layOutTree(tree, metadata);
    checkLeavesFree(leaves, 'read');
    return joinPieces(pieces);
  });
}

/**
 * Loads a tree from a safetensors file: into the arrays of `into`, or into new ones. Checks everything but the elements
 * before it writes anything.
 *
 * @throws RangeError of code `invalid-file` if the file is damaged; of code `file-mismatch` if it differs from `into`, holds
 *   dtypes that no leaf can have, or has nothing below `prefix` (its `differences` lists every difference); Node's own
 *   error if it can't be read.
 */
export async function loadTensors<P>(
  path: string | FileUrl,
  options: LoadTensorsOptions<P> & { into: P & Tree<P> },
): Promise<LoadedTensors<P>>;
export async function loadTensors<P = TensorTree>(
  path: string | FileUrl,
  options?: Omit<LoadTensorsOptions, 'into'>,
): Promise<LoadedTensors<P>>;
export async function loadTensors<P>(
  path: string | FileUrl,
  options: LoadTensorsOptions<P> = {},
): Promise<LoadedTensors<P>> {
  return calledFromAsync(loadTensors, () => {
    const file = checkPath(path);
    const request = checkRequest(options);
    return useForFile('loadTensors', footprintOf(request.written, 'written'), () =>
      loadFile(file, loadTree<P>(file, request)),
    );
  });
}

/** Loads a tree from the bytes of a safetensors file. */
export function fromBytes<P>(
  bytes: Uint8Array,
  options: LoadTensorsOptions<P> & { into: P & Tree<P> },
): LoadedTensors<P>;
export function fromBytes<P = TensorTree>(
  bytes: Uint8Array,
  options?: Omit<LoadTensorsOptions, 'into'>,
): LoadedTensors<P>;
export function fromBytes<P>(bytes: Uint8Array, options: LoadTensorsOptions<P> = {}): LoadedTensors<P> {
  return calledFrom(fromBytes, () => {
    const given = checkBytes(bytes);
    const request = checkRequest(options);
    checkLeavesFree(request.written, 'written');
    return loadBytes('bytes', given, loadTree<P>('bytes', request));
  });
}

/** A file as pieces, over the arrays of these leaves. */
interface LaidOut {
  readonly leaves: readonly CheckedLeaf[];
  readonly pieces: readonly Piece[];
}

function layOutTree(tree: unknown, metadata: unknown): LaidOut {
  const users = checkMetadata(metadata);
  const node = readTree(tree, 'tree', leafReader);
  const leaves = leavesOf(node);
  checkSeparate(leaves, []); // as loading into the tree does
  const note = noteFor(node, ({ name }) => pathIn('tree', name));
  const items = leaves.map((leaf) => itemOf(escapeName(pathIn('tree', leaf.name) ?? ''), leaf));
  return { leaves, pieces: layOut(items, metadataOf({ [noteName(undefined)]: note }, leaves, users)) };
}

interface Request {
  readonly into: unknown;
  /** `into` as it was read. */
  readonly target: Node<CheckedLeaf> | undefined;
  /** Its leaves. */
  readonly written: readonly CheckedLeaf[];
  readonly isStrict: boolean;
  readonly prefix: Path;
}

function checkRequest(options: unknown): Request {
  const { into, strict, prefix } = checkKeys('options', options, ['into', 'strict', 'prefix']);
  const isStrict = checkFlag('strict', strict, true);
  if (prefix !== undefined && typeof prefix !== 'string')
    throw typeError('invalid-option', 'prefix', 'a string', prefix);
  const target = into === undefined ? undefined : readTree(into, 'into', leafReader);
  const written = target ? leavesOf(target) : [];
  checkSeparate(written, []);
  return { into, target, written, isStrict, prefix };
}

/** The function that loads a file. */
function loadTree<P>(file: string, request: Request): (contents: Contents) => Loading<LoadedTensors<P>> {
  const { into, target, isStrict, prefix } = request;
  return function* (contents) {
    const found = tensorsIn(file, contents, prefix);
    const note = noteFrom(file, contents, prefix);
    const placement = target ? inPlace(file, found, into, target) : inNewTree(file, found, note);
    const { place } = placement;
    const isUnmatched = prefix !== undefined && found.length === 0 && note === undefined;
    const differences = isUnmatched ? [missing(prefix), ...placement.differences] : placement.differences;
    if (isStrict)
      refuseDifferences(
        file,
        differences,
        isUnmatched ? noSuchPrefix(prefix, contents) : verdictOn(placement, contents, prefix),
      );
    const { reads, tree } = place();
    yield reads;
    return { tree: tree as P, differences, metadata: usersMetadata(contents) };
  };
}

/** The note of the tree below a prefix: its own, or its part of the whole file's. */
function noteFrom(file: string, contents: Contents, prefix: Path): string | undefined {
  const own = noteIn(contents, noteName(prefix));
  if (own !== undefined || prefix === undefined) return own;
  const whole = noteIn(contents, noteName(undefined));
  return whole === undefined ? undefined : noteBelow(file, whole, prefix);
}

const missing = (path: string): Difference => ({ path, kind: 'missing' });

/** Names that a message shows. */
const SHOWN_NAMES = 5;

/** Tells of a checkpoint, whose parameters lie below a prefix. */
function verdictOn({ verdict }: Placement, { entries }: Contents, prefix: Path): string {
  const has = (name: (one: string) => boolean): boolean => entries.some((entry) => name(entry.name));
  const isCheckpoint = has((name) => name === 'step') && has((name) => name.startsWith('parameters.'));
  if (!isCheckpoint || prefix !== undefined) return verdict;
  return "expected a tree of tensors, received a checkpoint; load its parameters with `prefix: 'parameters'`";
}

/** The verdict on a prefix below which no tensor lies. */
function noSuchPrefix(prefix: string, { entries }: Contents): string {
  const first = [...new Set(entries.map(({ name }) => name.split('.', 1)[0]))].slice(0, SHOWN_NAMES);
  const examples = first.length > 0 ? `such as ${first.map(show).join(', ')}` : 'but the file has none';
  return `prefix: expected the path above some tensors, ${examples}, received ${show(prefix)}`;
}

function tensorsIn(file: string, contents: Contents, prefix: Path): Found[] {
  const ours = isOurs(file, contents);
  return contents.entries.flatMap((entry) => {
    const path = withoutPrefix(prefix, entry.name);
    if (path === false) return [];
    return [{ path: prefix === undefined && ours ? unescapeName(entry.name) : path, entry }];
  });
}

/** The differences of a file, and, once it is accepted, the targets of its tensors. */
interface Placement {
  /** What a strict load says of differences. */
  readonly verdict: string;
  readonly differences: readonly Difference[];
  readonly place: () => { readonly reads: readonly Read[]; readonly tree: unknown };
}

function inPlace(file: string, found: readonly Found[], into: unknown, target: Node<CheckedLeaf>): Placement {
  const { reads, differences } = fill(byPath(file, found), leavesOf(target), 'into');
  return { verdict: SAME_TREE, differences, place: () => ({ reads, tree: into }) };
}

function inNewTree(file: string, found: readonly Found[], note: string | undefined): Placement {
  const { floats, others, differences } = splitFloats(found, 'tree');
  return {
    verdict: 'expected tensors that leaves can hold, received others (`strict: false` loads the rest)',
    differences,
    place: () => {
      const node = placeAll(file, floats, note, others);
      const made = makeLeaves(leavesOf(node), 'tree');
      return {
        reads: made.flatMap(({ entry, leaf }) => readInto(entry, leaf)),
        tree: treeWith(
          node,
          made.map(({ leaf }) => leaf.leaf),
        ),
      };
    },
  };
}
