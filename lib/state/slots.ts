// Keeps a slot for each parameter, in the structure of the parameters: never by position, never by a joined string.
import { coded } from '../errors';
import { checkAlike, leafDifference } from '../tree/compare';
import type { CheckedLeaf } from '../tree/leaf';
import { type Path, prefixed } from '../tree/paths';
import { branch, isLeafNode, leafNode, keyAt, kindOf, leavesOf, type Node } from '../tree/tree';
import { AS_BEFORE, isNarrow, type Part, PARTS, Slot, wideDtype } from './slot';

/** A slot; `undefined` keeps the place of a list item without state. */
export type Place = Slot | undefined;

const BLANK: Node<Place> = leafNode(undefined);

/** The arrays of one slot. */
export type Parts = Readonly<Partial<Record<Part, CheckedLeaf>>>;

/** Slots for the leaves of a tree. `commit` keeps those that are new. */
interface Found {
  readonly slots: Slot[];
  readonly commit: () => void;
}

/** The slots of one optimizer. */
export class Slots {
  readonly #masters: boolean;
  /** Grows whenever a slot takes another one's place. */
  generation = 0;
  #root: Node<Place> = BLANK;

  /** @param masters True: velocities of 16-bit parameters are float32. */
  constructor(masters: boolean) {
    this.#masters = masters;
  }

  /**
   * The slot of each leaf of `tree` that is `wanted`, in order. Missing slots are made, and kept once `commit` is called.
   * Throws if `tree` contradicts the slots that there are. `name` is the root's name in the leaves' names.
   */
  slotsFor(tree: Node<CheckedLeaf>, name: string, wanted: Wanted = () => true): Found {
    const slotFor = (path: Path, leaf: CheckedLeaf, former: Place): Slot =>
      slotOfParameter(path, leaf, former, this.#masters);
    return this.#grow(tree, name, { wanted, slotFor });
  }

  /** The same for gradients, whose parameters may not be known yet. */
  slotsForGradients(tree: Node<CheckedLeaf>, name: string): Found {
    return this.#grow(tree, name, { wanted: () => true, slotFor: slotOfGradient });
  }

  #grow(tree: Node<CheckedLeaf>, name: string, how: Pick<Growth, 'wanted' | 'slotFor'>): Found {
    const found: Growth = { slots: [], replaces: false, ...how };
    const root = grow(this.#root, tree, name, undefined, found);
    return {
      slots: found.slots,
      commit: () => {
        this.#root = root;
        if (found.replaces) this.generation++;
      },
    };
  }

  /** The slots in the structure of the parameters. */
  get root(): Node<Place> {
    return this.#root;
  }

  get isEmpty(): boolean {
    return this.#root === BLANK;
  }

  get all(): Slot[] {
    return leavesOf(this.#root).filter((slot) => slot !== undefined);
  }

  /** Makes all slots from arrays that stand in the places of their parameters. The optimizer has no slot yet. */
  adopt(parts: Node<Parts>): void {
    this.#root = slotsOver(parts, undefined);
  }
}

/** Says whether a leaf needs a slot. */
type Wanted = (leaf: CheckedLeaf) => boolean;

interface Growth {
  readonly slots: Slot[];
  /** True if a slot takes another one's place. */
  replaces: boolean;
  readonly wanted: Wanted;
  /** The slot of a leaf; `former` if that will do. */
  readonly slotFor: (path: Path, leaf: CheckedLeaf, former: Place) => Slot;
}

/**
 * The places with a slot for every leaf of `node`; the same object where nothing is missing. Only state that is used can
 * contradict a tree: without it, another model takes the places.
 */
function grow(place: Node<Place>, node: Node<CheckedLeaf>, name: string, path: Path, found: Growth): Node<Place> {
  if (place !== BLANK && kindOf(place) !== kindOf(node)) {
    if (leavesOf(place).some((slot) => slot?.isUsed)) throw changedTree(name, place, node);
    found.replaces = true;
    return grow(BLANK, node, name, path, found);
  }
  if (isLeafNode(node)) {
    if (!found.wanted(node.leaf)) return place;
    const former = isLeafNode(place) ? place.leaf : undefined;
    const slot = found.slotFor(path, node.leaf, former);
    found.slots.push(slot);
    if (former && slot !== former) found.replaces = true;
    return slot === former ? place : leafNode(slot);
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

function slotOfParameter(path: Path, leaf: CheckedLeaf, former: Place, masters: boolean): Slot {
  if (!former) return new Slot(path, leaf);
  if (former.isUsed) checkAlike(canAdopt(leaf, former, masters) ? { ...leaf, dtype: former.dtype } : leaf, former);
  if (!leafDifference(leaf, former, '')) return former;
  return former.isUsed ? former.movedTo(leaf) : new Slot(path, leaf);
}

/** True if arrays that came before their parameter can belong to one of the leaf's dtype. */
function canAdopt({ dtype }: CheckedLeaf, former: Slot, masters: boolean): boolean {
  if (!former.isAdopted) return false;
  const { v } = former;
  if (!v) return wideDtype(dtype) === wideDtype(former.dtype);
  return masters && isNarrow(dtype) && v.dtype === 'float32';
}

function slotOfGradient(path: Path, leaf: CheckedLeaf, former: Place): Slot {
  const dtype = wideDtype(leaf.dtype);
  const fits = former !== undefined && canAdd(leaf, former);
  if (former?.isUsed) checkAlike(fits ? { ...leaf, dtype: former.dtype } : leaf, former);
  const isThere = fits && !leafDifference({ ...leaf, dtype: former.dtype }, former, '');
  return isThere ? former : new Slot(path, { ...leaf, dtype }, true);
}

/** True if a gradient of the leaf's dtype can be added to the sum of the slot. */
function canAdd({ dtype }: CheckedLeaf, former: Slot): boolean {
  if (wideDtype(dtype) !== wideDtype(former.dtype)) return false;
  return former.isAdopted || dtype === former.dtype || dtype === wideDtype(dtype);
}

function slotsOver(parts: Node<Parts>, path: Path): Node<Place> {
  // A file may have nothing for a leaf but what the optimizer has no use for.
  if (isLeafNode(parts)) return Object.keys(parts.leaf).length === 0 ? BLANK : leafNode(slotOver(parts.leaf, path));
  if (parts.keys?.length === 0) return BLANK;
  const children = parts.children.map((child, i) => slotsOver(child, prefixed(path, keyAt(parts, i))));
  return { ...parts, children };
}

function slotOver(parts: Parts, path: Path): Slot {
  const names = PARTS.filter((part) => parts[part]);
  const slot = new Slot(path, parts[names[0]] as CheckedLeaf, true);
  for (const name of names) slot.set(name, parts[name]);
  slot.isSummed = slot.has('accumulated');
  return slot;
}

/** The nodes of the slots with what `change` makes of each. */
export function mapSlots<T>(root: Node<Place>, change: (slot: Slot) => Node<T>, none: Node<T>): Node<T> {
  if (isLeafNode(root)) return root.leaf ? change(root.leaf) : none;
  return { ...root, children: root.children.map((child) => mapSlots(child, change, none)) };
}
