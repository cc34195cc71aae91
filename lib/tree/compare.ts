// How two leaves differ, and how two trees do: the one comparison behind steps, states and files.
import { rangeError, typeError, Verbatim } from '../errors';
import { type CheckedLeaf, sameShape, showShape } from './leaf';
import { isLeafNode, keyAt, kindOf, type Node } from './tree';

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

/** Differences that a message lists, and the characters of each: a model of another kind differs in thousands. */
const LISTED = 20;
const LINE_LENGTH = 400;

/** The first differences as text, one a line, and how many more there are. */
export function listDifferences(differences: readonly Difference[]): string {
  const lines = differences.slice(0, LISTED).map(({ path, kind, expected, received }) => {
    const line =
      expected === undefined ? `${path}: ${kind}` : `${path}: expected ${expected}, received ${String(received)}`;
    return line.length > LINE_LENGTH ? `${line.slice(0, LINE_LENGTH)}...` : line;
  });
  const more = differences.length - lines.length;
  if (more > 0) lines.push(`... and ${String(more)} more`);
  return lines.join('\n');
}

/** What a leaf and a tensor of a file have in common. */
export interface LeafLayout {
  readonly dtype: string;
  /** `undefined` for a bare typed array, which any shape of its length matches. */
  readonly shape: readonly number[] | undefined;
  /** Elements. */
  readonly length: number;
}

interface LeafDifference {
  readonly aspect: 'dtype' | 'shape' | 'length';
  readonly expected: string;
  readonly received: string;
}

function compareLeaves(leaf: LeafLayout, model: LeafLayout): LeafDifference | undefined {
  if (leaf.dtype !== model.dtype) return { aspect: 'dtype', expected: model.dtype, received: leaf.dtype };
  if (leaf.shape && model.shape && !sameShape(leaf.shape, model.shape)) {
    return { aspect: 'shape', expected: showShape(model.shape), received: showShape(leaf.shape) };
  }
  if (leaf.length === model.length) return undefined;
  return { aspect: 'length', expected: `${String(model.length)} elements`, received: String(leaf.length) };
}

/** The difference of `leaf` from `model`, if there is one; `path` is the leaf's. */
export function leafDifference(leaf: LeafLayout, model: LeafLayout, path: string): Difference | undefined {
  const found = compareLeaves(leaf, model);
  if (!found) return undefined;
  const { aspect, expected, received } = found;
  return { path, kind: aspect === 'dtype' ? 'dtype' : 'shape', expected, received };
}

/** Throws unless `leaf` has the dtype, the length and, where both have one, the shape of `model`. */
export function checkAlike(leaf: CheckedLeaf, model: LeafLayout & { readonly name: string }): void {
  const found = compareLeaves(leaf, model);
  if (!found) return;
  const { aspect, expected, received } = found;
  const wanted = `${aspect === 'shape' ? 'shape ' : ''}${expected} as ${model.name}`;
  const error = aspect === 'dtype' ? typeError : rangeError;
  throw error(`${aspect}-mismatch`, leaf.name, wanted, new Verbatim(received));
}

/** Who is told what a walk over two trees finds. */
export interface Comparison<A, B> {
  /** Two leaves at the same place. */
  pair(expected: A, received: B, path: string): void;
  /** Anything else, with the two nodes that differ; `expected` alone where the other tree lacks it. */
  differ(difference: Difference, expected?: Node<A>, received?: Node<B>): void;
}

/** Walks two trees side by side, by structure, in the order of `received`. `path` is the name of both. */
export function compareTrees<A, B>(expected: Node<A>, received: Node<B>, path: string, to: Comparison<A, B>): void {
  if (isLeafNode(expected) && isLeafNode(received)) {
    to.pair(expected.leaf, received.leaf, path);
    return;
  }
  if (isLeafNode(expected) || isLeafNode(received) || kindOf(expected) !== kindOf(received)) {
    to.differ({ path, kind: 'shape', expected: kindOf(expected), received: kindOf(received) }, expected, received);
    return;
  }
  const partners = new Map(expected.children.map((child, i) => [keyAt(expected, i), child]));
  received.children.forEach((child, i) => {
    const key = keyAt(received, i);
    const partner = partners.get(key);
    partners.delete(key);
    if (partner) compareTrees(partner, child, `${path}.${key}`, to);
    else to.differ({ path: `${path}.${key}`, kind: 'extra' });
  });
  for (const [key, partner] of partners) to.differ({ path: `${path}.${key}`, kind: 'missing' }, partner);
}
