// Trees of real leaves from drawn descriptions, each leaf inside a bigger array whose other elements are watched.
import { clone, type Leaf } from '../../lib';
import { itemSize, type LeafData, viewOf } from '../../lib/tree/dtype';
import type { LeafSpec, SpecTree } from './arbitraries';
import { bytesOf, copied, expectSameBytes } from './bits';
import { dataOf, kindsOf, leafOver } from './leaves';
import { fillRandom } from './random';

/** Drawn leaves are told from branches by what only they have. */
export function isLeafSpec(tree: SpecTree): tree is LeafSpec {
  return !Array.isArray(tree) && typeof tree['seed'] === 'number';
}

/** A branch's children, by key. */
function childrenOf(tree: SpecTree): [string, SpecTree][] {
  return isLeafSpec(tree) ? [] : Object.entries(tree);
}

/** All leaves of a description with their keys from the root, in order. */
export function specsOf(tree: SpecTree, keys: readonly string[] = []): { spec: LeafSpec; keys: readonly string[] }[] {
  if (isLeafSpec(tree)) return [{ spec: tree, keys }];
  return childrenOf(tree).flatMap(([key, child]) => specsOf(child, [...keys, key]));
}

/** What stands at the keys. */
export function at(tree: unknown, keys: readonly string[]): unknown {
  return keys.reduce((branch, key) => (branch as Record<string, unknown>)[key], tree);
}

function map(tree: SpecTree, make: (spec: LeafSpec) => unknown): unknown {
  if (isLeafSpec(tree)) return make(tree);
  if (Array.isArray(tree)) return tree.map((child) => map(child, make));
  return Object.fromEntries(childrenOf(tree).map(([key, child]) => [key, map(child, make)]));
}

/** The same without the leaves that have no gradient. A list ends before the first of them, since it can't have holes. */
export function gradientSpecs(tree: SpecTree): SpecTree | undefined {
  if (isLeafSpec(tree)) return tree.hasGradient ? tree : undefined;
  const kept = childrenOf(tree).map(([key, child]): [string, SpecTree | undefined] => [key, gradientSpecs(child)]);
  const end = kept.findIndex(([, child]) => child === undefined);
  if (Array.isArray(tree)) return kept.slice(0, end < 0 ? kept.length : end).map(([, child]) => child as SpecTree);
  return Object.fromEntries(kept.filter((entry): entry is [string, SpecTree] => entry[1] !== undefined));
}

/** A tree that was made, and the check that nothing but its leaves was written. */
export interface MadeTree {
  readonly tree: unknown;
  readonly expectNeighboursUntouched: () => void;
}

/** Leaves for the descriptions, with random elements; all in one arena, or each in a bigger array of its own. */
export function makeTree(specs: SpecTree, memory: 'views' | 'arena', shared: boolean, hostile: boolean): MadeTree {
  const watches: (() => void)[] = [];
  const tree = map(specs, (spec) => {
    const { view, expectNeighboursUntouched } = guardedView(spec, shared, hostile);
    watches.push(expectNeighboursUntouched);
    return leafOver(kindsOf(spec.dtype).includes(spec.kind) ? spec.kind : 'tensor', spec.dtype, view);
  });
  return {
    tree: memory === 'arena' ? clone(tree) : tree,
    expectNeighboursUntouched: () => {
      for (const watch of watches) watch();
    },
  };
}

function guardedView(
  spec: LeafSpec,
  shared: boolean,
  hostile: boolean,
): { view: LeafData; expectNeighboursUntouched: () => void } {
  const { dtype, before, length, after, seed } = spec;
  const item = itemSize(dtype);
  const bytes = (before + length + after) * item;
  const buffer = shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  fillRandom(dtype, viewOf(dtype, buffer, 0, before + length + after), seed, true);
  const front = viewOf(dtype, buffer, 0, before);
  const back = viewOf(dtype, buffer, (before + length) * item, after);
  const [frontBefore, backBefore] = [copied(front), copied(back)];
  const view = viewOf(dtype, buffer, before * item, length);
  fillRandom(dtype, view, seed + 1, hostile);
  return {
    view,
    expectNeighboursUntouched: () => {
      expectSameBytes(front, bytesOf(frontBefore), 'what lies before a leaf');
      expectSameBytes(back, bytesOf(backBefore), 'what lies after a leaf');
    },
  };
}

/** Gives every leaf of `tree` other random elements, in place. */
export function refill(specs: SpecTree, tree: unknown, seed: number, hostile: boolean): void {
  for (const { spec, keys } of specsOf(specs)) {
    fillRandom(spec.dtype, dataOf(at(tree, keys) as Leaf), spec.seed + seed, hostile);
  }
}
