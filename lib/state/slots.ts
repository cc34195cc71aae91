// The velocities of an optimizer, kept in the structure of its parameters: never by position, never by a joined string.
import { checkAlike, checkLeaf, type CheckedLeaf, looksLikeLeaf } from '../tree/leaf';
import { coded, show, typeError } from '../errors';
import { copiesOf, copyElements, zerosFor } from '../memory/zeros';
import { type Branch, keyAt, leavesOf, type Node, type Reader, readTree } from '../tree/tree';
import type { StateTree } from '../tree/types';

/** What is kept for one parameter. */
export class Slot {
  /** The parameter as it was when the slot was made: its dtype and shape stay. */
  readonly model: CheckedLeaf;
  v: CheckedLeaf | undefined;

  constructor(model: CheckedLeaf, v?: CheckedLeaf) {
    this.model = model;
    this.v = v;
  }
}

/** In an assigned state, an item of a list that has no velocity: it keeps the place. */
const BLANK = Symbol('blank');

type Twig = Slot | SlotBranch | typeof BLANK;

class SlotBranch {
  readonly isArray: boolean;
  readonly children = new Map<string, Twig>();

  constructor(isArray: boolean) {
    this.isArray = isArray;
  }
}

/** The slots of one optimizer. */
export class Velocities {
  #root: Twig = BLANK;

  /**
   * The slot of each leaf of `tree`, in order; ones that are missing are made, but kept only once `keep` is called.
   * Throws if the tree contradicts what is there.
   */
  slotsFor(tree: Node<CheckedLeaf>, name: string): { slots: Slot[]; keep: () => void } {
    const slots: Slot[] = [];
    const additions: (() => void)[] = [];
    const root = grow(this.#root, tree, name, slots, additions);
    return {
      slots,
      keep: () => {
        this.#root = root;
        for (const add of additions) add();
      },
    };
  }

  /** `{ v }` in the place of each slot, with the live arrays. */
  toState(): StateTree {
    return stateOf(this.#root);
  }

  /** True while there is no slot. */
  get isEmpty(): boolean {
    return this.#root === BLANK;
  }

  /** Every slot with its path, as a tree; `{}` where a place is kept. */
  toTree(): Node<Remembered> {
    return nodeOf(this.#root, undefined);
  }

  /** Takes over the arrays of a `state` themselves, for an optimizer that has no slot. */
  adopt(state: unknown): void {
    this.#adopt(readTree(state, 'state.parameters', stateReader), (leaf) => leaf);
  }

  /** Takes over `state`, copied, after checking it against what is there. Throws with every difference; then nothing has changed. */
  assign(state: unknown, name: string): void {
    const given = readTree(state, name, stateReader);
    if (this.#root !== BLANK) {
      const differences: string[] = [];
      const pairs: [Slot, SlotState][] = [];
      compare(this.#root, given, name, differences, pairs);
      if (differences.length > 0) {
        throw coded(
          RangeError,
          'state-mismatch',
          `state: expected one of the same tree, received one with differences:\n${differences.join('\n')}`,
        );
      }
      copyInto(pairs);
    } else {
      const copies = copiesOf(leavesOf(given).flatMap(({ v }) => v ?? []));
      let next = 0;
      this.#adopt(given, ({ name }) => checkLeaf(copies[next++], name));
    }
  }

  #adopt(given: Node<SlotState>, take: (v: CheckedLeaf) => CheckedLeaf): void {
    const make = (node: Node<SlotState>, name: string): Twig => {
      if ('leaf' in node) {
        return node.leaf.v ? new Slot(node.leaf.v, take(node.leaf.v)) : BLANK;
      }
      const branch = new SlotBranch(!node.keys);
      node.children.forEach((child, i) => {
        branch.children.set(keyAt(node, i), make(child, `${name}.${keyAt(node, i)}`));
      });
      return branch;
    };
    this.#root = make(given, 'state.parameters');
  }
}

/** A slot and its dotted path; none for a tree that is one leaf. */
export interface Remembered {
  readonly path: string | undefined;
  readonly slot: Slot;
}

function nodeOf(twig: Twig, path: string | undefined): Node<Remembered> {
  if (twig === BLANK) return { container: {}, keys: [], children: [] };
  if (twig instanceof Slot) return { leaf: { path, slot: twig } };
  const keys = [...twig.children.keys()];
  const children = Array.from(twig.children, ([key, child]) =>
    nodeOf(child, path === undefined ? key : `${path}.${key}`),
  );
  return { container: {}, keys: twig.isArray ? undefined : keys, children };
}

/** Gives every slot that has none a velocity of zeros, all of them in one arena. */
export function makeVelocities(slots: readonly Slot[]): void {
  const bare = slots.filter(({ v }) => !v);
  if (bare.length === 0) return;
  const made = zerosFor(bare.map(({ model }) => model));
  bare.forEach((slot, i) => {
    slot.v = checkLeaf(made[i], velocityName(slot.model.name));
  });
}

/** 'parameters.a.b' as the velocity's name in messages. */
function velocityName(parameter: string): string {
  return parameter.replace(/^\w+/, 'state.parameters') + '.v';
}

function grow(twig: Twig, node: Node<CheckedLeaf>, name: string, slots: Slot[], additions: (() => void)[]): Twig {
  if ('leaf' in node) {
    if (twig instanceof SlotBranch) throw changedTree(name, twig, 'a leaf');
    if (twig !== BLANK) checkAlike(node.leaf, twig.model);
    const slot = twig === BLANK ? new Slot(node.leaf) : twig;
    slots.push(slot);
    return slot;
  }
  if (twig !== BLANK && (twig instanceof Slot || twig.isArray !== !node.keys)) {
    throw changedTree(name, twig, node.keys ? 'an object' : 'an array');
  }
  const branch = twig === BLANK ? new SlotBranch(!node.keys) : twig;
  node.children.forEach((child, i) => {
    const key = keyAt(node, i);
    const there = branch.children.get(key) ?? BLANK;
    const grown = grow(there, child, `${name}.${key}`, slots, additions);
    if (grown !== there) additions.push(() => branch.children.set(key, grown));
  });
  return branch;
}

const kindOf = (twig: Slot | SlotBranch): string =>
  twig instanceof Slot ? 'a leaf' : twig.isArray ? 'an array' : 'an object';

function changedTree(name: string, twig: Slot | SlotBranch, received: string): Error {
  return coded(
    TypeError,
    'state-mismatch',
    `${name}: expected ${kindOf(twig)} as in earlier steps, received ${received}`,
  );
}

/** The leaf of a tree of states: `{ v }`, or `{}` where there is no velocity. */
interface SlotState {
  readonly v: CheckedLeaf | undefined;
}

const stateReader: Reader<SlotState> = {
  isLeaf: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const keys = Object.keys(value);
    return keys.length === 0 || (keys.length === 1 && keys[0] === 'v' && looksLikeLeaf((value as { v: unknown }).v));
  },
  read: (value, name) => {
    const { v } = value as { v?: object };
    return { v: v && checkLeaf(v, `${name}.v`) };
  },
  refuse: (value, name) => typeError('invalid-state', name, 'a tree of { v }', value),
};

function stateOf(twig: Twig): StateTree {
  if (twig === BLANK) return {};
  if (twig instanceof Slot) return twig.v ? { v: twig.v.leaf as never } : {};
  const entries = [...twig.children].map(([key, child]): [string, StateTree] => [key, stateOf(child)]);
  return twig.isArray ? entries.map(([, state]) => state) : Object.fromEntries(entries);
}

/** Lists every difference between the slots and a state, and pairs what fits. */
function compare(
  twig: Twig,
  node: Node<SlotState>,
  name: string,
  differences: string[],
  pairs: [Slot, SlotState][],
): void {
  const isEmpty = 'leaf' in node && !node.leaf.v;
  if (twig === BLANK) {
    if (!isEmpty) differences.push(`${name}: expected {}, received a state`);
  } else if (twig instanceof Slot) {
    if (!('leaf' in node)) differences.push(`${name}: expected { v }, received a branch`);
    else compareSlot(twig, node.leaf, name, differences, pairs);
  } else if ('leaf' in node && !isEmpty) {
    differences.push(`${name}: expected ${kindOf(twig)}, received { v }`);
  } else if (!('leaf' in node) && twig.isArray !== !node.keys) {
    differences.push(`${name}: expected ${kindOf(twig)}, received ${node.keys ? 'an object' : 'an array'}`);
  } else {
    compareBranch(twig, 'leaf' in node ? undefined : node, name, differences, pairs);
  }
}

function compareBranch(
  twig: SlotBranch,
  node: Branch<SlotState> | undefined,
  name: string,
  differences: string[],
  pairs: [Slot, SlotState][],
): void {
  const given = new Map(node?.children.map((child, i) => [keyAt(node, i), child]));
  for (const [key, child] of twig.children) {
    const there = given.get(key);
    if (there) compare(child, there, `${name}.${key}`, differences, pairs);
    else differences.push(`${name}.${key}: missing`);
    given.delete(key);
  }
  for (const key of given.keys()) differences.push(`${name}.${key}: extra`);
}

function compareSlot(
  slot: Slot,
  { v }: SlotState,
  name: string,
  differences: string[],
  pairs: [Slot, SlotState][],
): void {
  if (!v) {
    if (slot.v) differences.push(`${name}.v: missing`);
    return;
  }
  try {
    checkAlike(v, slot.v ?? slot.model);
    pairs.push([slot, { v }]);
  } catch (error) {
    differences.push(error instanceof Error ? error.message : show(error));
  }
}

function copyInto(pairs: readonly [Slot, SlotState][]): void {
  // Copied aside first: the state may hold our own arrays, in another order.
  const copies = copiesOf(pairs.map(([, { v }]) => v as CheckedLeaf));
  makeVelocities(pairs.map(([slot]) => slot));
  pairs.forEach(([slot], i) => {
    copyElements(checkLeaf(copies[i], 'copy'), slot.v as CheckedLeaf);
  });
}
