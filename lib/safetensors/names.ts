// Names of tensors in a file: dotted paths, as MLX flattens trees, and the way back to a tree.
//
// Paths alone do not determine every tree: a key may hold a dot, an object's keys may be numbers, a branch may be empty,
// a leaf may be bare. A note in the metadata then holds the structure, as JSON with a number for each leaf.
import { rangeError } from '../errors';
import { isWellFormed, type Json, JsonError, parseJson } from './json';
import { fileError, METADATA } from './header';
import { type Path, prefixed } from '../tree/paths';
import { branch, isLeafNode, leafNode, MAX_DEPTH, type Node } from '../tree/tree';

/** The numbers of a note. */
export const KINDS = { tensor: 0, bare: 1 } as const;

/**
 * Items that a file's lists may lack; MLX fills them with `{}`. If a file lacks more, its branches that lack more items
 * than they have are objects: a small file must not take much memory.
 */
const MAX_GAPS = 4096;

/**
 * Levels that the names of a file may have beside those that a leaf usually has. If they have more, a branch that has one
 * member alone is joined with it: `{ 'a.b.c': leaf }`.
 */
const MAX_LEVELS = 4096;
const LEVELS_PER_LEAF = 16;

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
    // Lets go of each part that is built: a note may have millions of branches.
    if (Array.isArray(json)) {
      const items = json as Json[];
      const built = items.map((item, i) => {
        items[i] = 0;
        return build(item, prefixed(path, String(i))) ?? gap;
      });
      return branch(undefined, built);
    }
    if (!(json instanceof Map)) throw new JsonError(0, 'objects, arrays and numbers', JSON.stringify(json));
    const members = json as Map<string, Json>;
    const keys = Array.from(members.keys(), (key) => checkKey(file, key));
    const children = keys.map((key) => {
      const member = members.get(key) as Json;
      members.set(key, 0);
      return build(member, prefixed(path, key));
    });
    return branch(
      keys.filter((_, i) => children[i] !== undefined),
      children.filter((child) => child !== undefined),
    );
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

/** A leaf, and the keys that lead to it. */
interface Leading<L> {
  readonly keys: readonly string[];
  readonly leaf: L;
}

/** A member of a branch. Its key is made of the keys up to `end`. */
interface Member<L> {
  readonly keys: readonly string[];
  readonly end: number;
  readonly node: Node<L>;
}

/**
 * The tree of dotted paths, as MLX's `tree_unflatten` builds it: a branch with only numbers as keys is a list. What lies
 * below a leaf's path stands beside the leaf, by the rest of its path: `{ weight, 'weight.absmax' }`.
 */
export function fromPaths<L>(file: string, leaves: readonly { path: Path; leaf: L }[], gap: Node<L>): Node<L> {
  const [only] = leaves;
  if (leaves.length === 1 && !only.path) return leafNode(only.leaf);
  const all = leaves.map(({ path = '', leaf }): Leading<L> => ({ keys: splitPath(file, path), leaf }));
  const levels = all.reduce((sum, { keys }) => sum + keys.length, 0);
  const isDeep = levels > MAX_LEVELS + LEVELS_PER_LEAF * all.length;
  return growTree(file, all, gap, isDeep, MAX_GAPS) ?? (growTree(file, all, gap, isDeep, undefined) as Node<L>);
}

/** Undefined if the lists lack more than `maxGaps` items. Without it, branches that lack more than they have are objects. */
function growTree<L>(
  file: string,
  leaves: readonly Leading<L>[],
  gap: Node<L>,
  isDeep: boolean,
  maxGaps: number | undefined,
): Node<L> | undefined {
  let gaps = 0;
  const grow = (members: readonly Member<L>[], depth: number): Node<L> => {
    const keys = members.map((member) => member.keys.slice(depth, member.end).join('.'));
    const children = members.map(({ node }) => node);
    const length = lengthOf(keys);
    if (length === undefined) return branch(keys, children);
    const lacking = length - keys.length;
    gaps += lacking;
    if (maxGaps === undefined ? lacking > keys.length : gaps > maxGaps) return branch(keys, children);
    const items: Node<L>[] = Array.from({ length }, () => gap);
    keys.forEach((key, i) => (items[Number(key)] = children[i]));
    return branch(undefined, items);
  };
  const membersOf = (below: readonly Leading<L>[], depth: number): Member<L>[] =>
    [...byKey(below, depth)].flatMap(([, group]): Member<L>[] => {
      const { keys } = group[0];
      const end = depth + 1;
      const here = group.filter((one) => one.keys.length === end);
      if (here.length > 1) throw fileError(file, keys.join('.').slice(0, 80), 'one tensor of this path', 'two');
      const members = membersOf(
        group.filter((one) => one.keys.length > end),
        end,
      );
      if (here.length > 0) return [{ keys, end, node: leafNode(here[0].leaf) }, ...members];
      return isDeep && members.length === 1 ? members : [{ keys, end, node: grow(members, end) }];
    });
  const root = grow(membersOf(leaves, 0), 0);
  return maxGaps !== undefined && gaps > maxGaps ? undefined : root;
}

/** Leaves by their key at a depth. */
function byKey<L>(leaves: readonly Leading<L>[], depth: number): Map<string, Leading<L>[]> {
  const groups = new Map<string, Leading<L>[]>();
  for (const one of leaves) {
    const group = groups.get(one.keys[depth]);
    if (group) group.push(one);
    else groups.set(one.keys[depth], [one]);
  }
  return groups;
}

/** Items of the list with these keys; undefined for an object's. */
function lengthOf(keys: readonly string[]): number | undefined {
  if (keys.length === 0 || !keys.every((key) => /^(?:0|[1-9]\d*)$/.test(key))) return undefined;
  return keys.reduce((most, key) => Math.max(most, Number(key)), 0) + 1;
}

function splitPath(file: string, path: string): readonly string[] {
  const keys = path.split('.');
  if (keys.length > MAX_DEPTH) {
    throw fileError(file, path.slice(0, 80), `at most ${String(MAX_DEPTH)} levels`, String(keys.length));
  }
  return keys.map((key) => checkKey(file, key));
}
