// Names of tensors in a file: dotted paths as MLX flattens trees, and the way back to a tree.
//
// Where a tree can't be told from its paths alone (a key holds a dot, an object's keys are numbers, a branch is empty, a
// leaf is bare), a note in the metadata tells its structure, as JSON with a number for each leaf.
import { rangeError } from '../errors';
import { isWellFormed, type Json, JsonError, parseJson } from './json';
import { fileError, METADATA } from './header';
import { type Path, prefixed } from '../tree/paths';
import { MAX_DEPTH, type Node } from '../tree/tree';

/** The numbers of a note. */
export const KINDS = { tensor: 0, bare: 1 } as const;

/** Items that lists of a file may lack: MLX fills them with `{}`. More would let a small file ask for much memory. */
const MAX_GAPS = 4096;

/** Puts one more '_' behind a first key that MLX keeps for numbers beside the velocities, or we for parameters. */
export function escapeKey(path: string): string {
  return path.replace(/^((?:step|learning_rate|parameters)_*)(?=\.|$)/, '$1_');
}

/** What `escapeKey` was given. */
export function unescapeKey(path: string): string {
  return path.replace(/^((?:step|learning_rate|parameters)_*)_(?=\.|$)/, '$1');
}

/** The same for a name that would stand for the metadata. */
export function escapeName(name: string): string {
  return /^__metadata___*$/.test(name) ? `${name}_` : name;
}

/** What `escapeName` was given. */
export function unescapeName(name: string): string {
  return /^__metadata___+$/.test(name) ? name.slice(0, -1) : name;
}

/** The name under which the structure of the tree below a prefix is noted. */
export function noteName(prefix: Path): string {
  return prefix === undefined ? 'tree' : `tree.${prefix}`;
}

/** The structure of a tree, as text. */
export function noteOf<L>(node: Node<L>, kindOf: (leaf: L) => number): string {
  if ('leaf' in node) return String(kindOf(node.leaf));
  const children = node.children.map((child) => noteOf(child, kindOf));
  const { keys } = node;
  if (!keys) return `[${children.join(',')}]`;
  return `{${keys.map((key, i) => `${quote(key)}:${children[i]}`).join(',')}}`;
}

function quote(key: string): string {
  if (isWellFormed(key)) return JSON.stringify(key);
  throw rangeError('invalid-tree', 'a key', 'Unicode, since it is to be saved', key);
}

/** A leaf by its path, with the number that a note gives it. Throws if there is none, or for the second time. */
export type TakeLeaf<L> = (path: Path, kind: number) => L;

/** The tree of a note. Throws if it is no note, or refuses what a tree in memory may not have. */
export function fromNote<L>(file: string, note: string, take: TakeLeaf<L>): Node<L> {
  const build = (json: Json, path: Path): Node<L> => {
    if (typeof json === 'number') return { leaf: take(path, json) };
    const isArray = Array.isArray(json);
    if (!isArray && !(json instanceof Map)) throw new JsonError(0, 'objects, arrays and numbers', JSON.stringify(json));
    const keys = [...(json as readonly Json[] | ReadonlyMap<string, Json>).keys()].map(String);
    const values = [...(json as readonly Json[] | ReadonlyMap<string, Json>).values()];
    const children = values.map((value, i) => build(value, prefixed(path, checkKey(file, keys[i]))));
    return { container: {}, keys: isArray ? undefined : keys, children };
  };
  try {
    return build(parseJson(note, MAX_DEPTH), undefined);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const where = `${METADATA}: the note of the tree, at ${String(error.at)}`;
    throw fileError(file, where, error.expected, error.received);
  }
}

function checkKey(file: string, key: string): string {
  if (key !== '__proto__') return key;
  throw fileError(file, `key ${JSON.stringify(key)}`, 'another key', 'one that JavaScript reserves');
}

type Twigs<L> = Map<string, Twigs<L> | { readonly leaf: L }>;

/** The tree of dotted paths, as MLX's `tree_unflatten` builds it: a branch whose keys all are numbers is a list. */
export function fromPaths<L>(file: string, leaves: readonly { path: Path; leaf: L }[], gap: Node<L>): Node<L> {
  const [only] = leaves;
  if (leaves.length === 1 && !only.path) return { leaf: only.leaf };
  const root: Twigs<L> = new Map();
  for (const { path = '', leaf } of leaves) grow(file, root, path, leaf);
  let gaps = 0;
  const build = (twigs: Twigs<L>): Node<L> => {
    const keys = [...twigs.keys()];
    const children = [...twigs.values()].map((twig) => (twig instanceof Map ? build(twig) : twig));
    if (keys.length === 0 || !keys.every((key) => /^(?:0|[1-9]\d*)$/.test(key)))
      return { container: {}, keys, children };
    const length = Math.max(...keys.map(Number)) + 1;
    gaps += length - keys.length;
    if (gaps > MAX_GAPS) throw fileError(file, 'lists', `at most ${String(MAX_GAPS)} items left out`, String(gaps));
    const items: Node<L>[] = Array.from({ length }, () => gap);
    keys.forEach((key, i) => (items[Number(key)] = children[i]));
    return { container: {}, keys: undefined, children: items };
  };
  return build(root);
}

function grow<L>(file: string, root: Twigs<L>, path: string, leaf: L): void {
  const keys = path.split('.');
  if (keys.length > MAX_DEPTH) {
    throw fileError(file, path.slice(0, 80), `at most ${String(MAX_DEPTH)} levels`, String(keys.length));
  }
  const last = checkKey(file, keys.pop() as string);
  let twigs = root;
  for (const key of keys) {
    const next = twigs.get(checkKey(file, key)) ?? (new Map() as Twigs<L>);
    if (!(next instanceof Map)) throw collision(file, path);
    twigs.set(key, next);
    twigs = next;
  }
  if (twigs.has(last)) throw collision(file, path);
  twigs.set(last, { leaf });
}

function collision(file: string, path: string): Error {
  return fileError(file, path, 'a leaf or a branch', 'both of this path');
}
