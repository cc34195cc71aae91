// `assign`: copies the elements of one tree into the arrays of another.
import { constants, native } from '../addon/native';
import { calledFrom } from '../caller';
import { coded, rangeError, typeError, Verbatim } from '../errors';
import { checkAlike, compareTrees, type Difference } from '../tree/compare';
import type { LeafData } from '../tree/dtype';
import { bufferOf, type CheckedLeaf, checkStillThere, leafReader, looksLikeLeaf, offsetOf } from '../tree/leaf';
import { isLeafNode, leavesOf, type Node, type Reader, readTree } from '../tree/tree';
import type { Assignable, Averages, Tree } from '../tree/types';
import { checkLeavesFree } from './inUse';
import { checkSeparate } from './overlap';
import { refuseMore } from './zeros';

interface Pair {
  readonly target: CheckedLeaf;
  readonly source: CheckedLeaf;
}

/**
 * Copies the elements of `source` into the arrays of `target`. Leaves match by structure, and agree in shape.
 *
 * @param target Written in place.
 * @param source A tree of the same structure, or of a part of it; never written. Its dtypes may differ: each element is
 *   rounded once, to nearest even. A leaf may be a number or an array of numbers, nested as the shape. An
 *   optimizer's `averages` too.
 * @returns `target`.
 * @throws TypeError or RangeError that names the path; code `busy` while a step of `updateAsync` uses the memory. Then
 *   nothing has changed.
 */
export function assign<P>(target: P & Tree<P>, source: NoInfer<P> | Assignable<P> | Averages): P;
export function assign(target: unknown, source: unknown, ...more: readonly unknown[]): unknown {
  return calledFrom(assign, () => {
    refuseMore('assign', 'a target and a source', more);
    const pairs = pairUp(readTree(target, 'target', leafReader), readTree(source, 'source', sourceReader));
    const moved = pairs.filter((pair) => !isSameMemory(pair));
    const [targets, sources] = [moved.map((pair) => pair.target), moved.map((pair) => pair.source)];
    checkSeparate(targets, sources);
    [...targets, ...sources].forEach(checkStillThere);
    checkLeavesFree(targets, 'written');
    checkLeavesFree(sources, 'read');
    copyAll(targets, sources);
    return target;
  });
}

/** Copies elements from leaves into others of the same lengths, each rounded once. */
export function copyAll(targets: readonly CheckedLeaf[], sources: readonly CheckedLeaf[]): void {
  const { dtypes } = constants();
  const numbers = targets.flatMap(({ dtype }, i) => [dtypes.indexOf(dtype), dtypes.indexOf(sources[i].dtype)]);
  const dataOf = (leaves: readonly CheckedLeaf[]): LeafData[] => leaves.map(({ data }) => data);
  native().copyElements(dataOf(targets), dataOf(sources), Uint8Array.from(numbers));
}

function pairUp(targets: Node<CheckedLeaf>, sources: Node<CheckedLeaf>): Pair[] {
  const pairs: Pair[] = [];
  compareTrees(targets, sources, 'source', {
    pair: (target, source) => {
      checkAlike({ ...source, dtype: target.dtype }, target);
      pairs.push({ target, source });
    },
    differ: (difference, target, source) => {
      if (source && !isLeafNode(source) && source.keys?.length === 0) return; // `{}` stands for nothing, as in `averages`
      if (difference.kind !== 'missing' && !areBothEmpty(target, source)) throw mismatch(difference);
    },
  });
  return pairs;
}

/** True for a leaf without elements and the empty arrays that stand for it, such as `[[], []]`. */
function areBothEmpty(target: Node<CheckedLeaf> | undefined, source: Node<CheckedLeaf> | undefined): boolean {
  if (!target || !source || isLeafNode(source) || source.keys) return false;
  return isLeafNode(target) && target.leaf.length === 0 && leavesOf(source).length === 0;
}

function mismatch({ path, kind, expected, received }: Difference): Error {
  if (kind === 'extra') {
    const text = `${path}: target has no leaf at this path; remove it from source, or add it to target`;
    return coded(RangeError, 'invalid-tree', text);
  }
  return typeError('invalid-tree', path, `${String(expected)} as in target`, new Verbatim(String(received)));
}

function isSameMemory({ target, source }: Pair): boolean {
  const [a, b] = [target.data, source.data];
  return target.dtype === source.dtype && bufferOf(a) === bufferOf(b) && offsetOf(a) === offsetOf(b);
}

/** Arrays nested deeper are no tensor. */
const MAX_AXES = 64;

function areNumbers(value: unknown, axes = 0): boolean {
  if (typeof value === 'number') return true;
  return Array.isArray(value) && value.length > 0 && axes < MAX_AXES && areNumbers(value[0], axes + 1);
}

const sourceReader: Reader<CheckedLeaf> = {
  ...leafReader,
  isLeaf: (value) => looksLikeLeaf(value) || areNumbers(value),
  read: (value, name) => (looksLikeLeaf(value) ? leafReader.read(value, name) : numbersLeaf(value, name)),
};

/** A leaf made of numbers, which may be nested as a shape. */
function numbersLeaf(value: unknown, name: string): CheckedLeaf {
  const shape: number[] = [];
  for (let first = value; Array.isArray(first); first = first[0]) shape.push(first.length);
  const numbers: number[] = [];
  collect(value, name, shape, 0, numbers);
  const data = Float64Array.from(numbers);
  return { leaf: data, data, dtype: 'float64', shape, length: data.length, hasConstantShape: false, name };
}

function collect(value: unknown, name: string, shape: readonly number[], axis: number, into: number[]): void {
  if (axis === shape.length) {
    if (typeof value !== 'number') throw typeError('invalid-leaf', name, 'a number', value);
    into.push(value);
    return;
  }
  if (!Array.isArray(value)) throw typeError('invalid-leaf', name, 'an array of numbers', value);
  if (value.length !== shape[axis]) {
    throw rangeError('invalid-shape', name, `${String(shape[axis])} items as in the arrays beside it`, value.length);
  }
  for (let i = 0; i < shape[axis]; i++) collect(value[i], `${name}.${String(i)}`, shape, axis + 1, into);
}
