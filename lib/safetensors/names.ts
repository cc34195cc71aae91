// Names of tensors in a file: dotted paths, as MLX flattens trees, and the way back to a tree.
//
// Paths alone do not determine every tree: a key may hold a dot, an object's keys may be numbers, a branch may be empty,
// a leaf may be bare. A note in the metadata then holds the structure, as JSON with a number for each leaf.
import { rangeError } from '../errors';
import { isWellFormed, type Json, JsonError, parseJson } from './json';
import { fileError, METADATA } from './header';
import { type Path, prefixed } from '../tree/paths';
import { isLeafNode, leafNode, type LeafNode, MAX_DEPTH, type Node } from '../tree/tree';

/** The numbers of a note. */
export const KINDS = { tensor: 0, bare: 1 } as const;

/**
 * Items that a file's lists may lack; MLX fills them with `{}`. If a file lacks more, its branches that lack more items
 * than they have are objects: a small file must not take much memory.
 */
const MAX_GAPS = 4096;

/** Appends '_' to a first key that would collide with MLX's numbers beside the velocities, or with our parameters. */
export function escapeKey(path: string): string {
  return path.replace(/^((?:step|learning_rate|parameters)_*)(?=\.|$)/, '$1_');
}

/** Undoes `escapeKey`. */
export function unescapeKey(path: string): string {
  return path.replace(/^((?:step|learning_rate|parameters)_*)_(?=\.|$)/, '$1');
}

/** Appends '_' to a name that would collide with the metadata. */
export function escapeName(name: string): string {
  return /^__metadata___*$/.test(name) ? `${name}_` : name;
}

/** Undoes `escapeName`. */
export function unescapeName(name: string): string {
  return /^__metadata___+$/.test(name) ? name.slice(0, -1) : name;
}

/** The name of the note of the tree below a prefix. */
export function noteName(prefix: Path): string {
  return prefix === undefined ? 'tree' : `tree.${prefix}`;
}

/** The note of a tree: its structure as text. */
export function noteOf<L>(node: Node<L>, kindOf: (leaf: L) => number): string {
  if (isLeafNode(node)) return String(kindOf(node.leaf));
  const children = node.children.map((child) => noteOf(child, kindOf));
  const { keys } = node;
  if (!keys) return `[${children.join(',')}]`;
  return `{${keys.map((key, i) => `${quote(key)}:${children[i]}`).join(',')}}`;
}

function quote(key: string): string {
  if (isWellFormed(key)) return JSON.stringify(key);
  throw rangeError('invalid-tree', 'a key', 'Unicode, since it is to be saved', key);
}

/**
 * Gives the leaf of a path with its number in the note; undefined for one to leave out. Throws if there is none, or if it was
 * taken already.
 */
export type TakeLeaf<L> = (path: Path, kind: number) => L | undefined;

/** The tree of a note. Throws if the text is no note, or if no tree in memory may have that structure. */
export function fromNote<L>(file: string, note: string, take: TakeLeaf<L>, gap: Node<L>): Node<L> {
  const build = (json: Json, path: Path): Node<L> | undefined => {
    if (typeof json === 'number') {
      const leaf = take(path, json);
      return leaf === undefined ? undefined : leafNode(leaf);
    }
    const isArray = Array.isArray(json);
    if (!isArray && !(json instanceof Map)) throw new JsonError(0, 'objects, arrays and numbers', JSON.stringify(json));
    const members = [...(json as readonly Json[] | ReadonlyMap<string, Json>).entries()].map(([key, value]) => {
      const name = checkKey(file, String(key));
      return [name, build(value, prefixed(path, name)) ?? (isArray ? gap : undefined)] as const;
    });
    const present = members.filter((member): member is readonly [string, Node<L>] => member[1] !== undefined);
    const keys = isArray ? undefined : present.map(([key]) => key);
    return { container: {}, keys, children: present.map(([, child]) => child) };
  };
  return guardNote(file, () => build(parseJson(note, MAX_DEPTH), undefined)) ?? gap;
}

const readNote = (file: string, note: string): Json => guardNote(file, () => parseJson(note, MAX_DEPTH));

function guardNote<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const where = `${METADATA}: the note of the tree, at ${String(error.at)}`;
    throw fileError(file, where, error.expected, error.received);
  }
}

/** The note of the branch or leaf at a path; undefined unless the note has exactly one there. */
export function noteBelow(file: string, note: string, path: string): string | undefined {
  const nodes = nodesAt(readNote(file, note), path);
  return nodes.length === 1 ? noteText(nodes[0]) : undefined;
}

function nodesAt(json: Json, path: string): Json[] {
  if (!Array.isArray(json) && !(json instanceof Map)) return [];
  return [...(json as readonly Json[] | ReadonlyMap<string, Json>).entries()].flatMap(([key, child]) => {
    if (String(key) === path) return [child];
    return path.startsWith(`${String(key)}.`) ? nodesAt(child, path.slice(String(key).length + 1)) : [];
  });
}

function noteText(json: Json): string {
  if (Array.isArray(json)) return `[${(json as readonly Json[]).map(noteText).join(',')}]`;
  if (!(json instanceof Map)) return JSON.stringify(json);
  const members = [...(json as ReadonlyMap<string, Json>)].map(([key, value]) => `${quote(key)}:${noteText(value)}`);
  return `{${members.join(',')}}`;
}

function checkKey(file: string, key: string): string {
  if (key !== '__proto__') return key;
  throw fileError(file, `key ${JSON.stringify(key)}`, 'another key', 'one that JavaScript reserves');
}

/** What stands at a path: a leaf, what lies below, or both (`weight` beside `weight.absmax`). */
interface Twig<L> {
  leaf: LeafNode<L> | undefined;
  readonly twigs: Map<string, Twig<L>>;
}

/**
 * The tree of dotted paths, as MLX's `tree_unflatten` builds it: a branch with only numbers as keys is a list. What lies
 * below a leaf's path stands beside the leaf, by the rest of its path: `{ weight, 'weight.absmax' }`.
 */
export function fromPaths<L>(file: string, leaves: readonly { path: Path; leaf: L }[], gap: Node<L>): Node<L> {
  const [only] = leaves;
  if (leaves.length === 1 && !only.path) return leafNode(only.leaf);
  const root: Twig<L> = { leaf: undefined, twigs: new Map() };
  for (const { path = '', leaf } of leaves) grow(file, root, path, leaf);
  const hasManyGaps = gapsIn(root) > MAX_GAPS;
  const build = (twig: Twig<L>): Node<L> => {
    const members = membersOf(twig).map(([key, below]) => [key, below.leaf ?? build(below)] as const);
    const keys = members.map(([key]) => key);
    const children = members.map(([, child]) => child);
    const length = lengthOf(keys);
    if (length === undefined || (hasManyGaps && length > 2 * keys.length)) return { container: {}, keys, children };
    const items: Node<L>[] = Array.from({ length }, () => gap);
    keys.forEach((key, i) => (items[Number(key)] = children[i]));
    return { container: {}, keys: undefined, children: items };
  };
  return build(root);
}

/** The members of a branch. Those below a leaf follow it, by longer keys. */
function membersOf<L>({ twigs }: Twig<L>): (readonly [string, Twig<L>])[] {
  return [...twigs].flatMap(([key, twig]): (readonly [string, Twig<L>])[] => {
    if (!twig.leaf) return [[key, twig]];
    return [[key, twig], ...membersOf(twig).map(([rest, below]) => [`${key}.${rest}`, below] as const)];
  });
}

/** Items of the list with these keys; undefined for an object's. */
function lengthOf(keys: readonly string[]): number | undefined {
  if (keys.length === 0 || !keys.every((key) => /^(?:0|[1-9]\d*)$/.test(key))) return undefined;
  return keys.reduce((most, key) => Math.max(most, Number(key)), 0) + 1;
}

function gapsIn(twig: Twig<unknown>): number {
  const members = membersOf(twig);
  const length = lengthOf(members.map(([key]) => key));
  const own = length === undefined ? 0 : length - members.length;
  return members.reduce((gaps, [, below]) => gaps + (below.leaf ? 0 : gapsIn(below)), own);
}

function grow<L>(file: string, root: Twig<L>, path: string, leaf: L): void {
  const keys = path.split('.');
  if (keys.length > MAX_DEPTH) {
    throw fileError(file, path.slice(0, 80), `at most ${String(MAX_DEPTH)} levels`, String(keys.length));
  }
  let twig = root;
  for (const key of keys) {
    const next: Twig<L> = twig.twigs.get(checkKey(file, key)) ?? { leaf: undefined, twigs: new Map() };
    twig.twigs.set(key, next);
    twig = next;
  }
  if (twig.leaf) throw fileError(file, path, 'one tensor of this path', 'two');
  twig.leaf = leafNode(leaf);
}
