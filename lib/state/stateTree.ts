// The tree of `state`: read from the slots with the live arrays, or copied into them.
import { coded, rangeError, typeError } from '../errors';
import { copyAll } from '../memory/assign';
import { copiesOf, zerosFor } from '../memory/zeros';
import { compareTrees, type Difference, leafDifference, listDifferences } from '../tree/compare';
import { checkLeaf, type CheckedLeaf, type Layout, looksLikeLeaf } from '../tree/leaf';
import {
  branch,
  buildTree,
  EMPTY,
  isLeafNode,
  leafNode,
  leavesOf,
  MAX_DEPTH,
  type Node,
  nodeWith,
  type Reader,
  readTree,
} from '../tree/tree';
import { isNarrow, type Part, PARTS, Slot, wideDtype } from './slot';
import { mapSlots, type Parts, type Slots } from './slots';
import type { Averages } from '../tree/types';
import type { StateTree } from './types';

/** What an optimizer keeps beside velocities. */
export interface Keeps {
  readonly masters: boolean;
  readonly averages: boolean;
  /** True if a velocity that no step has used yet is no state: the first step makes it. */
  readonly firstStepMakesVelocity: boolean;
}

/** True if the state shows this array of the slot. */
export function isShown(slot: Slot, part: Part, { firstStepMakesVelocity }: Keeps): boolean {
  if (part === 'accumulated') return slot.isSummed;
  if (!slot.has(part)) return false;
  if (part === 'v') return !(slot.isFirstVelocity && (firstStepMakesVelocity || slot.isForStep));
  return part === 'ema' ? !slot.isFirstAverage : !slot.isMasterStale;
}

/** The layout of an array in a slot that keeps it. */
export function partLayout(slot: Slot, part: Part, masters: boolean): Layout {
  const isWide = part !== 'v' || (masters && isNarrow(slot.dtype));
  const { dtype, shape, length } = slot;
  return { dtype: isWide ? wideDtype(dtype) : dtype, shape, length };
}

/** True if the optimizer has a use for arrays of this part. */
export function isUseful(part: Part, { masters, averages }: Keeps): boolean {
  return part === 'master' ? masters : part === 'ema' ? averages : true;
}

/** The parts that a slot can have in this optimizer. */
export function partsOf(slot: Slot, keeps: Keeps): readonly Part[] {
  return PARTS.filter((part) => {
    if (part === 'ema' && slot.has(part)) return true; // at rest
    return isUseful(part, keeps) && (part !== 'master' || slot.isAdopted || isNarrow(slot.dtype));
  });
}

/** The shown arrays of all slots, in the place of each; `{}` where there is none. */
function shownParts(slots: Slots, keeps: Keeps): Node<CheckedLeaf> {
  const shown = (slot: Slot): Node<CheckedLeaf> => {
    const parts = PARTS.filter((part) => isShown(slot, part, keeps));
    return branch(
      parts,
      parts.map((part) => leafNode(slot.get(part) as CheckedLeaf)),
    );
  };
  return mapSlots(slots.root, shown, EMPTY);
}

/** `{ v, master, ema, accumulated }` in the place of each slot, as far as it has them, with the live arrays. */
export function stateTree(slots: Slots, keeps: Keeps): StateTree {
  return buildTree(shownParts(slots, keeps), ({ leaf }) => leaf) as StateTree;
}

/** The averages in the place of their parameters; `{}` where there is none. */
export function averagesTree(slots: Slots, keeps: Keeps): Averages {
  const average = (slot: Slot): Node<CheckedLeaf> =>
    isShown(slot, 'ema', keeps) ? leafNode(slot.get('ema') as CheckedLeaf) : EMPTY;
  return buildTree(mapSlots(slots.root, average, EMPTY), ({ leaf }) => leaf) as Averages;
}

/** Reads a state: a tree whose leaves stand at the names of parts, in their parameter's place. */
const stateReader: Reader<CheckedLeaf> = {
  isLeaf: looksLikeLeaf,
  read: (value, name) => {
    if (!PARTS.some((part) => name.endsWith(`.${part}`))) throw stateReader.refuse(value, name);
    return checkLeaf(value as object, name);
  },
  refuse: (value, name) => typeError('invalid-state', name, 'a tree of { v }', value),
  // One more than a tree of parameters, for `{ v }`.
  maxDepth: MAX_DEPTH + 1,
};

/** The arrays of a state, together in the place of their parameter. */
function partsIn(state: Node<CheckedLeaf>): Node<Parts> {
  if (isLeafNode(state)) throw stateReader.refuse(state.leaf.leaf, state.leaf.name);
  const { keys, children } = state;
  const leaves = children.map((child) => (isLeafNode(child) ? child.leaf : undefined));
  const arePart =
    keys && keys.length > 0 && keys.every((key, i) => leaves[i] && (PARTS as readonly string[]).includes(key));
  if (arePart) return leafNode(Object.fromEntries(keys.map((key, i) => [key, leaves[i]])) as Parts);
  return { ...state, children: children.map(partsIn) };
}

/** A place for an array of the state. */
interface Target {
  readonly slot: Slot;
  readonly part: Part;
}

type Match = readonly (readonly [Target, CheckedLeaf])[];

/**
 * Copies a `state` into slots. Throws with every difference from those that there are; then nothing has changed.
 * `accumulated` is the number of gradients in its sums.
 */
export function assignState(slots: Slots, state: unknown, name: string, keeps: Keeps, accumulated: number): void {
  const given = readTree(state, name, stateReader);
  const parts = partsIn(given);
  if (leavesOf(parts).some((one) => one.accumulated) !== accumulated > 0) {
    const text = 'a number of gradients where there are sums, and only there';
    throw rangeError('invalid-state', 'state.accumulated', text, accumulated);
  }
  if (slots.isEmpty) {
    const uselessParts = PARTS.filter((part) => !isUseful(part, keeps));
    const useless = leavesOf(given).filter((leaf) => uselessParts.some((part) => leaf.name.endsWith(`.${part}`)));
    if (useless.length > 0) throw differ(useless.map(({ name: path }): Difference => ({ path, kind: 'extra' })));
    const leaves = leavesOf(given);
    const copies = copiesOf(leaves).map((copy, i) => checkLeaf(copy, leaves[i].name));
    slots.adopt(partsIn(nodeWith(given, copies)));
  } else {
    takeState(slots, matchState(slots, given, name, keeps), keeps);
  }
}

/** Each array of a state beside its place. Throws with every difference. */
function matchState(slots: Slots, state: Node<CheckedLeaf>, name: string, keeps: Keeps): Match {
  const matched: (readonly [Target, CheckedLeaf])[] = [];
  const differences: Difference[] = [];
  const targets = (slot: Slot): Node<Target> => {
    const known = partsOf(slot, keeps);
    return branch(
      known,
      known.map((part) => leafNode({ slot, part })),
    );
  };
  compareTrees(mapSlots(slots.root, targets, EMPTY), state, name, {
    pair: (target, leaf, path) => {
      const difference = leafDifference(leaf, modelOf(target, leaf, keeps), path);
      if (difference) differences.push(difference);
      else matched.push([target, leaf]);
    },
    differ: (difference, absent, received) => {
      if (received || !absent) differences.push(difference);
      else if (leavesOf(absent).some(({ slot, part }) => part === 'v' && isShown(slot, part, keeps)))
        differences.push(difference);
    },
  });
  if (differences.length === 0) return matched;
  throw differ(differences);
}

function differ(differences: readonly Difference[]): Error {
  const message = `state: expected the same tree, received one with differences:\n${listDifferences(differences)}`;
  return Object.assign(coded(RangeError, 'state-mismatch', message), { differences });
}

/** What an array must look like. One of 16 bits can become a float32 velocity. */
export function modelOf({ slot, part }: Target, leaf: { readonly dtype: string }, { masters }: Keeps): Layout {
  const layout = partLayout(slot, part, masters);
  const isWidened = part === 'v' && leaf.dtype === slot.dtype;
  return isWidened ? { ...layout, dtype: slot.dtype } : layout;
}

function takeState(slots: Slots, matched: Match, keeps: Keeps): void {
  // Copied aside first: the state may hold our own arrays, in another order.
  const copies = copiesOf(matched.map(([, leaf]) => leaf)).map((copy) => checkLeaf(copy, 'copy'));
  for (const slot of slots.all) forget(slot);
  const targets = matched.map(([target]) => target);
  for (const part of PARTS) {
    const slotsOfPart = targets.filter((target) => target.part === part).map(({ slot }) => slot);
    makeArrays(slotsOfPart, part, keeps.masters);
  }
  copyAll(
    targets.map(({ slot, part }) => slot.get(part) as CheckedLeaf),
    copies,
  );
  targets.forEach(remember);
}

/** What the given state lacks starts as in a fresh optimizer. A velocity stays: only one that no step has used can lack. */
export function forget(slot: Slot): void {
  slot.isFirstAverage = slot.has('ema');
  slot.isMasterStale = slot.has('master');
  slot.isSummed = false;
}

/** An array of the slot has got its elements. */
export function remember({ slot, part }: Target): void {
  if (part === 'v') slot.isFirstVelocity = false;
  else if (part === 'ema') slot.isFirstAverage = false;
  else if (part === 'master') slot.isMasterStale = false;
  else slot.isSummed = true;
}

/** An array that a slot has got, and the one of another dtype that it had. */
interface MadeArray {
  readonly slot: Slot;
  readonly made: CheckedLeaf;
  readonly former: CheckedLeaf | undefined;
}

/** Gives each slot that has no array of this part zeros, all of them in one arena; also where one is too narrow. */
export function makeArrays(slots: readonly Slot[], part: Part, masters: boolean): readonly MadeArray[] {
  const bare = slots.filter((slot) => slot.get(part)?.dtype !== partLayout(slot, part, masters).dtype);
  if (bare.length === 0) return [];
  const zeros = zerosFor(bare.map((slot) => partLayout(slot, part, masters)));
  return bare.map((slot, i) => {
    const former = slot.get(part);
    const made = checkLeaf(zeros[i], slot.nameOf(part));
    slot.set(part, made);
    return { slot, made, former };
  });
}
