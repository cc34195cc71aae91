// Trees: reads one into nodes, with every check of its structure, and builds others like it.
import { types } from 'node:util';
import { coded, isOurs, rangeError, typeError, Verbatim } from '../errors';

/** A branch: `keys` of an object, or `undefined` for an array. */
export interface Branch<L> {
  readonly container: object;
  readonly keys: readonly string[] | undefined;
  readonly children: readonly Node<L>[];
}

/** A leaf. Made by `leafNode`: its own `children` hides one that somebody gave to Object.prototype. */
export interface LeafNode<L> {
  readonly leaf: L;
  readonly children: undefined;
}

/** A tree that has been read. `L` stands for a leaf. */
export type Node<L> = Branch<L> | LeafNode<L>;

export function leafNode<L>(leaf: L): LeafNode<L> {
  return { leaf, children: undefined };
}

export function isLeafNode<L>(node: Node<L>): node is LeafNode<L> {
  return node.children === undefined;
}

/** How a kind of tree recognises and reads its leaves. */
export interface Reader<L> {
  isLeaf(value: unknown): boolean;
  /** Reads one leaf; `name` is its path, with the root's name in front. */
  read(value: unknown, name: string): L;
  /** The error for a value that is neither leaf nor branch. */
  refuse(value: unknown, name: string): Error;
  /** Levels that a tree may have; default `MAX_DEPTH`. */
  readonly maxDepth?: number;
}

/** Deeper trees are refused, in memory and in files, long before the stack overflows. */
export const MAX_DEPTH = 1000;

interface Walk<L> {
  readonly reader: Reader<L>;
  readonly ancestors: Set<object>;
  /** Names of leaves. Two can be equal only if some key holds a dot. */
  readonly names: Set<string>;
  dotted: boolean;
}

/** Reads a whole tree. Throws for cycles, holes, symbol keys and whatever else is no tree. */
export function readTree<L>(tree: unknown, name: string, reader: Reader<L>): Node<L> {
  const walk: Walk<L> = { reader, ancestors: new Set(), names: new Set(), dotted: false };
  const node = guardReading(name, () => readNode(tree, name, walk));
  if (walk.dotted) checkNames(node, name, walk.names);
  return node;
}

/** Runs the caller's getters and traps. What they throw becomes the cause of an error with a code. */
export function guardReading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (isOurs(cause)) throw cause;
    throw coded(
      TypeError,
      'invalid-tree',
      `${name}: expected a leaf or a tree, received one that throws when it is read`,
      cause,
    );
  }
}

function readNode<L>(value: unknown, name: string, walk: Walk<L>): Node<L> {
  if (walk.reader.isLeaf(value)) return leafNode(walk.reader.read(value, name));
  if (typeof value !== 'object' || value === null) throw walk.reader.refuse(value, name);
  const isArray = Array.isArray(value);
  if (!isArray && !isPlain(value)) throw walk.reader.refuse(value, name);
  if (walk.ancestors.has(value))
    throw coded(
      TypeError,
      'invalid-tree',
      `${name}: expected a tree, received a cycle back to one of its own branches`,
    );
  const { maxDepth = MAX_DEPTH } = walk.reader;
  if (walk.ancestors.size >= maxDepth) {
    throw rangeError(
      'invalid-tree',
      shorten(name),
      `a tree of at most ${String(maxDepth)} levels`,
      new Verbatim('a deeper one'),
    );
  }
  walk.ancestors.add(value);
  const keys = isArray ? checkArray(value as unknown[], name) : checkKeys(value, name);
  const prefix = `${name}.`;
  const present: string[] = [];
  const children: Node<L>[] = [];
  for (const key of keys) {
    const child = readProperty(value, key, name);
    // An optional member may hold undefined: TypeScript takes it for one that is not there.
    if (child === undefined && !isArray) continue;
    walk.dotted ||= key.includes('.');
    present.push(key);
    children.push(readNode(child, prefix + key, walk));
  }
  walk.ancestors.delete(value);
  return { container: value, keys: isArray ? undefined : present, children };
}

function shorten(name: string): string {
  return name.length > 120 ? `${name.slice(0, 120)}...` : name;
}

/** True for an object that has fields alone: a plain one of any realm, or an instance of classes without methods. */
function isPlain(value: object): boolean {
  for (let prototype = prototypeOf(value); prototype !== null;) {
    const next = types.isProxy(prototype) ? prototype : prototypeOf(prototype);
    if (next === null) return true; // the Object.prototype of some realm
    if (next === prototype || Reflect.ownKeys(prototype).some((key) => key !== 'constructor')) return false;
    prototype = next;
  }
  return true;
}

const prototypeOf = (value: object): object | null => Object.getPrototypeOf(value) as object | null;

function checkKeys(value: object, name: string): string[] {
  const keys = Object.keys(value);
  if (Object.hasOwn(value, '__proto__'))
    throw coded(
      TypeError,
      'invalid-tree',
      `${name}.__proto__: expected another key, received one that JavaScript reserves`,
    );
  checkNoSymbols(value, name);
  return keys;
}

function checkArray(value: unknown[], name: string): string[] {
  const keys = Object.keys(value);
  for (let i = 0; i < value.length; i++) {
    if (keys[i] !== String(i))
      throw typeError('invalid-tree', `${name}.${String(i)}`, 'an item', new Verbatim('a hole'));
  }
  const extra = keys.at(value.length);
  if (extra !== undefined)
    throw typeError(
      'invalid-tree',
      name,
      'an array with items alone',
      new Verbatim(`one with the key ${JSON.stringify(extra)}`),
    );
  checkNoSymbols(value, name);
  return keys;
}

function checkNoSymbols(value: object, name: string): void {
  const symbol = Object.getOwnPropertySymbols(value).find(
    (key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable,
  );
  if (symbol) throw typeError('invalid-tree', name, 'keys that are strings', symbol);
}

function readProperty(container: object, key: string, name: string): unknown {
  try {
    return (container as Record<string, unknown>)[key];
  } catch (cause) {
    throw coded(
      TypeError,
      'invalid-tree',
      `${name}.${key}: expected a leaf or a tree, received a getter that throws`,
      cause,
    );
  }
}

function checkNames<L>(node: Node<L>, name: string, names: Set<string>): void {
  if (isLeafNode(node)) {
    if (names.has(name))
      throw coded(
        RangeError,
        'invalid-tree',
        `${name}: expected one leaf of this path, received two (a key holds a dot)`,
      );
    names.add(name);
    return;
  }
  node.children.forEach((child, i) => {
    checkNames(child, `${name}.${keyAt(node, i)}`, names);
  });
}

/** The key of child `i`. */
export function keyAt(branch: Branch<unknown>, i: number): string {
  return branch.keys?.[i] ?? String(i);
}

/** All leaves, in the tree's order. */
export function leavesOf<L>(node: Node<L>, into: L[] = []): L[] {
  if (isLeafNode(node)) into.push(node.leaf);
  else for (const child of node.children) leavesOf(child, into);
  return into;
}

/** A new tree of the same structure. `make` returns each of its leaves. */
export function buildTree<L>(node: Node<L>, make: (leaf: L) => unknown): unknown {
  if (isLeafNode(node)) return make(node.leaf);
  const values = node.children.map((child) => buildTree(child, make));
  const { keys } = node;
  return keys ? Object.fromEntries(keys.map((key, i) => [key, values[i]])) : values;
}

/** The kind of a node, for messages. */
export function kindOf(node: Node<unknown>): string {
  return isLeafNode(node) ? 'a leaf' : node.keys ? 'an object' : 'an array';
}

/** The same nodes over other leaves. A branch without leaves stays. */
export function mapTree<L, M>(node: Node<L>, change: (leaf: L) => M): Node<M> {
  if (isLeafNode(node)) return leafNode(change(node.leaf));
  const children = node.children.map((child) => mapTree(child, change));
  const isSame = children.every((child, i) => (child as unknown) === node.children[i]);
  return isSame ? (node as Branch<unknown> as Branch<M>) : { ...node, children };
}

/** The same nodes over these leaves, which are in the tree's order. */
export function nodeWith<M>(node: Node<unknown>, leaves: readonly M[]): Node<M> {
  let next = 0;
  return mapTree(node, () => leaves[next++]);
}

/** A new tree of the same structure with these leaves, which are in the tree's order. */
export function treeWith(node: Node<unknown>, leaves: readonly unknown[]): unknown {
  let next = 0;
  return buildTree(node, () => leaves[next++]);
}

/** The container of branches that nobody's tree has: one object, since a file may describe millions of them. */
const MADE = Object.freeze({});

/** `{}`: keeps the place of a leaf that is missing. */
export const EMPTY: Branch<never> = { container: MADE, keys: [], children: [] };

const EMPTY_ARRAY: Branch<never> = { container: MADE, keys: undefined, children: [] };

/** A branch that was not read from a tree in memory. */
export function branch<L>(keys: readonly string[] | undefined, children: readonly Node<L>[]): Branch<L> {
  if (children.length === 0) return keys ? EMPTY : EMPTY_ARRAY;
  return { container: MADE, keys, children };
}
