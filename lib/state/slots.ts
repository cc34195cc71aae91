// Keeps a slot for each parameter, in the structure of the parameters: never by position, never by a joined string.
import { coded, typeError } from '../errors';
import { copiesOf, copyElements, zerosFor } from '../memory/zeros';
import { checkAlike, compareTrees, type Difference, leafDifference, listDifferences } from '../tree/compare';
import { checkLeaf, type CheckedLeaf, looksLikeLeaf } from '../tree/leaf';
import { type Path, prefixed } from '../tree/paths';
import {
  branch,
  buildTree,
  EMPTY,
  isLeafNode,
  leafNode,
  keyAt,
  kindOf,
  leavesOf,
  MAX_DEPTH,
  type Node,
  nodeWith,
  type Reader,
  readTree,
} from '../tree/tree';
import { AS_BEFORE, Slot } from './slot';
import type { StateTree } from './types';

/** A slot; `undefined` keeps the place of a list item without state. */
type Place = Slot | undefined;

const BLANK: Node<Place> = leafNode(undefined);

/** The slots of one optimizer. */
export class Slots {
  #root: Node<Place> = BLANK;

  /**
   * The slot of each leaf of `tree` that is `wanted`, in order. Missing slots are made, and kept once `commit` is called.
   * Throws if `tree` contradicts the slots that there are. `name` is the root's name in the leaves' names.
   */
  slotsFor(tree: Node<CheckedLeaf>, name: string, wanted: Wanted = () => true): { slots: Slot[]; commit: () => void } {
    const slots: Slot[] = [];
    const root = grow(this.#root, tree, name, undefined, { slots, wanted });
    return {
      slots,
      commit: () => {
        this.#root = root;
      },
    };
  }

  /** `{ v }` in the place of each slot, with the live arrays. */
  toState(): StateTree {
    return buildTree(this.#root, (slot) => (slot?.v ? { v: slot.v.leaf } : {})) as StateTree;
  }

  get isEmpty(): boolean {
    return this.#root === BLANK;
  }

  get all(): Slot[] {
    return leavesOf(this.#root).filter((slot) => slot !== undefined);
  }

  /** The velocities as a tree; `{}` where there is none. */
  get velocities(): Node<CheckedLeaf> {
    return velocitiesOf(this.#root);
  }

  /** Makes all slots from velocities that stand in the places of their parameters. The optimizer has no slot yet. */
  adopt(velocities: Node<CheckedLeaf>): void {
    this.#root = slotsOver(velocities, undefined);
  }

  /** Copies a `state` in. Throws with every difference from the slots that there are; then nothing has changed. */
  assign(state: unknown, name: string): void {
    const given = readTree(state, name, stateReader);
    if (this.isEmpty) {
      const velocities = withoutV(given);
      const copies = copiesOf(leavesOf(velocities));
      const leaves = leavesOf(velocities).map((leaf, i) => checkLeaf(copies[i], leaf.name));
      this.adopt(nodeWith(velocities, leaves));
    } else {
      copyInto(matchState(this.#root, given, name));
    }
  }
}

/** Gives every slot that has none a velocity of zeros, all of them in one arena. */
export function makeVelocities(slots: readonly Slot[]): void {
  const bare = slots.filter(({ hasVelocity }) => !hasVelocity);
  if (bare.length === 0) return;
  const made = zerosFor(bare);
  bare.forEach((slot, i) => {
    slot.v = checkLeaf(made[i], slot.velocityName);
  });
}

/** Says whether a leaf needs a slot. */
type Wanted = (leaf: CheckedLeaf) => boolean;

interface Growth {
  readonly slots: Slot[];
  readonly wanted: Wanted;
}

/**
 * The places with a slot for every leaf of `node`; the same object where nothing is missing. Only velocities can contradict
 * a tree: without them, another model takes the places.
 */
function grow(place: Node<Place>, node: Node<CheckedLeaf>, name: string, path: Path, found: Growth): Node<Place> {
  if (place !== BLANK && kindOf(place) !== kindOf(node)) {
    if (leavesOf(place).some((slot) => slot?.hasVelocity)) throw changedTree(name, place, node);
    return grow(BLANK, node, name, path, found);
  }
  if (isLeafNode(node)) {
    if (!found.wanted(node.leaf)) return place;
    const former = isLeafNode(place) ? place.leaf : undefined;
    if (former?.hasVelocity) checkAlike(node.leaf, former);
    const there = former && !leafDifference(node.leaf, former, name) ? former : undefined;
    const slot = there ?? new Slot(path, node.leaf);
    found.slots.push(slot);
    return there ? place : leafNode(slot);
  }
  const former = isLeafNode(place) ? undefined : place;
  const children = new Map(former?.children.map((child, i) => [keyAt(former, i), child]));
  let isSame = former !== undefined;
  const prefix = path === undefined ? '' : `${path}.`;
  node.children.forEach((child, i) => {
    const key = keyAt(node, i);
    const there = children.get(key) ?? BLANK;
    const grown = grow(there, child, `${name}.${key}`, prefix + key, found);
    isSame &&= grown === there;
    children.set(key, grown);
  });
  if (isSame) return place;
  return branch(node.keys && [...children.keys()], [...children.values()]);
}

function changedTree(name: string, place: Node<Place>, received: Node<CheckedLeaf>): Error {
  const text = `${name}: expected ${kindOf(place)} ${AS_BEFORE}, received ${kindOf(received)}`;
  return coded(TypeError, 'state-mismatch', text);
}

function velocitiesOf(node: Node<Place>): Node<CheckedLeaf> {
  if (isLeafNode(node)) return node.leaf?.v ? leafNode(node.leaf.v) : EMPTY;
  return { ...node, children: node.children.map(velocitiesOf) };
}

function slotsOver(velocities: Node<CheckedLeaf>, path: Path): Node<Place> {
  if (isLeafNode(velocities)) return leafNode(new Slot(path, velocities.leaf, velocities.leaf));
  if (velocities.keys?.length === 0) return BLANK;
  const children = velocities.children.map((child, i) => slotsOver(child, prefixed(path, keyAt(velocities, i))));
  return { ...velocities, children };
}

/** Reads a state: a tree whose leaves stand at the key 'v' of their parameter's place. */
const stateReader: Reader<CheckedLeaf> = {
  isLeaf: looksLikeLeaf,
  read: (value, name) => {
    if (!name.endsWith('.v')) throw stateReader.refuse(value, name);
    return checkLeaf(value as object, name);
  },
  refuse: (value, name) => typeError('invalid-state', name, 'a tree of { v }', value),
  // One more than a tree of parameters, for `{ v }`.
  maxDepth: MAX_DEPTH + 1,
};

/** The velocities of a state, each in the place of its parameter. */
function withoutV(state: Node<CheckedLeaf>): Node<CheckedLeaf> {
  if (isLeafNode(state)) throw stateReader.refuse(state.leaf.leaf, state.leaf.name);
  const [only] = state.children;
  if (state.keys?.length === 1 && state.keys[0] === 'v' && isLeafNode(only)) return only;
  return { ...state, children: state.children.map(withoutV) };
}

/** The state that belongs to the places: each slot as `{ v }`, also where it has no velocity yet. */
function stateOf(node: Node<Place>): Node<Slot> {
  if (!isLeafNode(node)) return { ...node, children: node.children.map(stateOf) };
  return node.leaf ? branch(['v'], [leafNode(node.leaf)]) : EMPTY;
}

/** Each velocity of a state beside its slot. Throws with every difference. */
function matchState(root: Node<Place>, state: Node<CheckedLeaf>, name: string): [Slot, CheckedLeaf][] {
  const pairs: [Slot, CheckedLeaf][] = [];
  const differences: Difference[] = [];
  compareTrees(stateOf(root), state, name, {
    pair: (slot, v, path) => {
      const difference = leafDifference(v, slot, path);
      if (difference) differences.push(difference);
      else pairs.push([slot, v]);
    },
    differ: (difference, absent, received) => {
      const isOptional = !received && absent && isLeafNode(absent) && !absent.leaf.hasVelocity;
      if (!isOptional) differences.push(difference);
    },
  });
  if (differences.length === 0) return pairs;
  const message = `state: expected the same tree, received one with differences:\n${listDifferences(differences)}`;
  throw Object.assign(coded(RangeError, 'state-mismatch', message), { differences });
}

function copyInto(pairs: readonly (readonly [Slot, CheckedLeaf])[]): void {
  // Copied aside first: the state may hold our own arrays, in another order.
  const copies = copiesOf(pairs.map(([, v]) => v));
  makeVelocities(pairs.map(([slot]) => slot));
  pairs.forEach(([slot], i) => {
    copyElements(checkLeaf(copies[i], 'copy'), slot.v as CheckedLeaf);
  });
}
