// Trees in safetensors files, and in such bytes in memory.
import { checkMetadata, isOurs, type Metadata, metadataOf, noteIn, usersMetadata } from './metadata';
import { escapeName, type Path, pathIn, unescapeName, withoutPrefix } from './names';
import { loadBytes, loadFile, type Loading, type Read } from './read';
import {
  byPath,
  type Difference,
  fill,
  type Found,
  itemOf,
  makeLeaves,
  noteFor,
  placeAll,
  readInto,
  refuseDifferences,
  splitFloats,
} from './trees';
import { checkBytes, checkFlag, checkKeys, checkPath } from './options';
import { joinPieces, writeWhole } from './write';
import type { CheckedLeaf } from '../tree/leaf';
import { leafReader } from '../memory/zeros';
import { checkSeparate } from '../memory/overlap';
import { type Contents, layOut, type Piece } from './header';
import { buildTree, leavesOf, mapTree, type Node, readTree } from '../tree/tree';
import type { FileUrl, Leaf, Tree } from '../tree/types';
import { typeError } from '../errors';

/** What a file without a tree to fill is loaded into. */
export type TensorTree = Leaf | TensorTree[] | { [key: string]: TensorTree };

/** How to load tensors. */
export interface LoadTensorsOptions<P = TensorTree> {
  /** A tree whose arrays are filled in place. Without it, new ones are made, in one arena. */
  into?: (P & Tree<P>) | undefined;
  /** Default true: a file that differs from `into` in any way is refused. False: what fits is taken. */
  strict?: boolean | undefined;
  /** Takes the tensors below this path alone: `'parameters'` for those of a checkpoint. */
  prefix?: string | undefined;
}

/** What was loaded. */
export interface LoadedTensors<P = TensorTree> {
  /** `into`, or the new tree. */
  readonly tree: P;
  /** What was not taken; empty when `strict`. */
  readonly differences: readonly Difference[];
  /** The strings that were saved with the tensors. */
  readonly metadata: Metadata;
}

/**
 * Saves a tree of leaves to a safetensors file, with MLX's flattened names. The file is written beside, synced and
 * renamed: at any moment its name stands for a whole one, the old or the new. The arrays belong to the call until it
 * settles.
 *
 * @param metadata Strings to be saved with the tensors.
 */
export async function saveTensors<P>(path: string | FileUrl, tree: P & Tree<P>, metadata?: Metadata): Promise<void> {
  await writeWhole(checkPath(path), piecesOf(tree, metadata));
}

/** The bytes of the file that `saveTensors` writes. */
export function toBytes<P>(tree: P & Tree<P>, metadata?: Metadata): Uint8Array {
  return joinPieces(piecesOf(tree, metadata));
}

/**
 * Loads a tree from a safetensors file: into the arrays of `into`, or into new ones. Everything but the elements is
 * checked before anything is written.
 *
 * @throws RangeError of code `invalid-file` for a file that is not right, of code `file-mismatch` for one that is not of
 *   this tree (its `differences` lists all of them); Node's own error if it can't be read.
 */
export async function loadTensors<P = TensorTree>(
  path: string | FileUrl,
  options: LoadTensorsOptions<P> = {},
): Promise<LoadedTensors<P>> {
  const file = checkPath(path);
  return loadFile(file, loader<P>(file, options));
}

/** Loads a tree from the bytes of a safetensors file. */
export function fromBytes<P = TensorTree>(bytes: Uint8Array, options: LoadTensorsOptions<P> = {}): LoadedTensors<P> {
  return loadBytes('bytes', checkBytes(bytes), loader<P>('bytes', options));
}

function piecesOf(tree: unknown, metadata: unknown): Piece[] {
  const users = checkMetadata(metadata);
  const node = readTree(tree, 'tree', leafReader);
  const leaves = leavesOf(node);
  const note = noteFor(node, ({ name }) => pathIn('tree', name));
  const items = leaves.map((leaf) => itemOf(escapeName(pathIn('tree', leaf.name) ?? ''), leaf));
  return layOut(items, metadataOf({ tree: note }, leaves, users));
}

function loader<P>(file: string, options: unknown): (contents: Contents) => Loading<LoadedTensors<P>> {
  const { into, strict, prefix } = checkKeys('options', options, ['into', 'strict', 'prefix']);
  const isStrict = checkFlag('strict', strict, true);
  if (prefix !== undefined && typeof prefix !== 'string')
    throw typeError('invalid-option', 'prefix', 'a string', prefix);
  const target = into === undefined ? undefined : readTree(into, 'into', leafReader);
  if (target) checkSeparate(leavesOf(target), []);
  return (contents) => {
    const found = tensorsIn(file, contents, prefix);
    const note = noteIn(contents, noteName(prefix));
    const filling = target ? fillTree(file, found, into, target) : newTree(file, found, note);
    return {
      numbers: [],
      plan: () => {
        if (isStrict) refuseDifferences(file, filling.differences);
        return filling.reads();
      },
      commit: () => ({
        tree: filling.tree() as P,
        differences: filling.differences,
        metadata: usersMetadata(contents),
      }),
    };
  };
}

/** The name under which the structure of the tree below a prefix is noted. */
export function noteName(prefix: Path): string {
  return prefix === undefined ? 'tree' : `tree.${prefix}`;
}

function tensorsIn(file: string, contents: Contents, prefix: Path): Found[] {
  const ours = isOurs(file, contents);
  return contents.entries.flatMap((entry) => {
    const path = withoutPrefix(prefix, entry.name);
    if (path === false) return [];
    return [{ path: prefix === undefined && ours ? unescapeName(entry.name) : path, entry }];
  });
}

/** Where tensors go. */
interface Filled {
  readonly differences: readonly Difference[];
  reads(): readonly Read[];
  tree(): unknown;
}

function fillTree(file: string, found: readonly Found[], into: unknown, target: Node<CheckedLeaf>): Filled {
  const { reads, differences } = fill(byPath(file, found), leavesOf(target), 'into');
  return { differences, reads: () => reads, tree: () => into };
}

function newTree(file: string, found: readonly Found[], note: string | undefined): Filled {
  const { floats, differences } = splitFloats(found, 'tree');
  let made: Node<object> | undefined;
  return {
    differences,
    reads: () => {
      const leaves = makeLeaves(placeAll(file, floats, note), 'tree');
      made = mapTree(leaves, ({ leaf }) => leaf.leaf);
      return leavesOf(leaves).map(({ entry, leaf }) => readInto(entry, leaf));
    },
    tree: () => made && buildTree(made, (leaf) => leaf),
  };
}
