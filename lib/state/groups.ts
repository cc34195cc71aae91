// Parameter groups, and which leaves train: who belongs where, and with which hyperparameters.
import { types } from 'node:util';
import { checkKeys, coded, isOurs, rangeError, typeError, Verbatim } from '../errors';
import type { CheckedLeaf } from '../tree/leaf';
import { pathIn } from '../tree/paths';
import type { Leaf } from '../tree/types';
import {
  checkGiven,
  checkTogether,
  HYPERPARAMETER_NAMES,
  type HyperparameterName,
  type Hyperparameters,
} from './hyperparameters';
import { Rate } from './rate';

/**
 * Picks leaves: a RegExp that is found in the path, 'layers.0.weight', or a function of the path and the leaf. A tree that is
 * one leaf has the path ''. Asked once for each leaf, when it is first seen.
 */
export type LeafFilter = RegExp | ((path: string, leaf: Leaf) => boolean);

/** A group: what it does not name follows the optimizer. */
interface Group {
  readonly parameters: LeafFilter;
  rate: Rate | undefined;
  own: Partial<Hyperparameters>;
}

const NO_RATES: readonly number[] = [];

/** The groups of one optimizer. Group 0 is the optimizer itself: the leaves that no other group takes. */
export class Groups {
  readonly #groups: readonly Group[];
  readonly #groupOf = new Map<string, number>();
  #isTrainable = new Map<string, boolean>();
  #trainable: LeafFilter | undefined;

  constructor(groups: readonly Group[], trainable: LeafFilter | undefined) {
    this.#groups = groups;
    this.#trainable = trainable;
  }

  get count(): number {
    return this.#groups.length;
  }

  get trainable(): LeafFilter | undefined {
    return this.#trainable;
  }
  set trainable(filter: LeafFilter | undefined) {
    this.#trainable = filter;
    this.#isTrainable = new Map();
  }

  /** The filter of group `i + 1`. */
  filter(i: number): LeafFilter {
    return this.#groups[i].parameters;
  }

  /** The hyperparameters of every group, the optimizer's first. */
  all(base: Hyperparameters): readonly Hyperparameters[] {
    return [base, ...this.#groups.map(({ own }) => ({ ...base, ...own }))];
  }

  /** Throws if the optimizer's own values, `base`, contradict each other, or a group's once they have inherited from them. */
  check(base: Hyperparameters): void {
    const [own, ...groups] = this.all(base);
    checkTogether(own);
    groups.forEach((one, i) => {
      checkTogether(one, groupName(i));
    });
  }

  /** Assigns an option of group `i + 1`; `undefined` gives it back to the optimizer. */
  set(i: number, name: HyperparameterName, value: unknown, base: Hyperparameters): void {
    const group = this.#groups[i];
    const own = checkGiven({ ...group.own, [name]: value }, groupName(i));
    checkTogether({ ...base, ...own }, groupName(i));
    group.own = own;
  }

  /** Assigns the learning rate of group `i + 1`. */
  setRate(i: number, value: unknown, step: number): void {
    this.#groups[i].rate = value === undefined ? undefined : new Rate(`${groupName(i)}.learningRate`, value, step);
  }

  /** The learning rates of the groups for a step; `own` is the optimizer's. Without groups it allocates nothing. */
  rates(step: number, own: number): readonly number[] {
    if (this.#groups.length === 0) return NO_RATES;
    return this.#groups.map(({ rate }) => rate?.at(step) ?? own);
  }

  /** Of the last step. */
  currentRates(own: number): readonly number[] {
    return this.#groups.map(({ rate }) => rate?.current ?? own);
  }

  /** Written without a closure, which each step would allocate. */
  completed(rates: readonly number[]): void {
    for (let i = 0; i < rates.length; i++) this.#groups[i].rate?.completed(rates[i]);
  }

  restoreRates(rates: readonly number[]): void {
    rates.forEach((rate, i) => {
      this.#groups[i].rate?.restore(rate);
    });
  }

  /** Finds the place of every leaf of the parameters. Nothing is kept until `commit`. */
  sort(leaves: readonly CheckedLeaf[]): Sorted {
    if (this.#groups.length === 0 && this.#trainable === undefined) return EVERYTHING;
    const groupOf = new Map<string, number>();
    const isTrainable = new Map<string, boolean>();
    for (const leaf of leaves) {
      const path = pathOf(leaf);
      const asked = (): number =>
        this.#groups.findIndex((group, i) => picks(group.parameters, filterName(i), path, leaf));
      groupOf.set(path, this.#groupOf.get(path) ?? asked() + 1);
      const { trainable } = this;
      const trains = (): boolean => trainable === undefined || picks(trainable, 'trainable', path, leaf);
      isTrainable.set(path, this.#isTrainable.get(path) ?? trains());
    }
    const used = new Set([...groupOf.values(), ...this.#groupOf.values()]);
    const empty = this.#groups.findIndex((_, i) => !used.has(i + 1));
    if (empty >= 0) throw emptyGroup(empty);
    return {
      groupOf: (leaf) => groupOf.get(pathOf(leaf)) ?? 0,
      isTrainable: (leaf) => isTrainable.get(pathOf(leaf)) ?? true,
      commit: () => {
        for (const [path, group] of groupOf) this.#groupOf.set(path, group);
        for (const [path, trains] of isTrainable) this.#isTrainable.set(path, trains);
      },
    };
  }
}

/** Where the leaves of a tree belong. */
export interface Sorted {
  readonly groupOf: (leaf: CheckedLeaf) => number;
  readonly isTrainable: (leaf: CheckedLeaf) => boolean;
  readonly commit: () => void;
}

const EVERYTHING: Sorted = { groupOf: () => 0, isTrainable: () => true, commit: () => undefined };

const groupName = (i: number): string => `groups.${String(i)}`;
const filterName = (i: number): string => `${groupName(i)}.parameters`;
const pathOf = ({ name }: CheckedLeaf): string => pathIn('parameters', name) ?? '';

/** True if the filter picks the leaf. Throws with the filter's name and the leaf's path for one that throws or says neither. */
function picks(filter: LeafFilter, name: string, path: string, { leaf }: CheckedLeaf): boolean {
  if (typeof filter !== 'function') return new RegExp(filter).test(path); // a copy, since `g` and `y` remember a place
  let answer: unknown;
  try {
    answer = filter(path, leaf as Leaf);
  } catch (cause) {
    if (isOurs(cause)) throw cause;
    throw coded(
      TypeError,
      'invalid-option',
      `${name}: expected a boolean for ${JSON.stringify(path)}, received an error`,
      cause,
    );
  }
  if (typeof answer !== 'boolean')
    throw typeError('invalid-option', name, `a boolean for ${JSON.stringify(path)}`, answer);
  return answer;
}

function emptyGroup(i: number): Error {
  return rangeError(
    'invalid-option',
    filterName(i),
    'a filter that picks a leaf that no group before it takes',
    new Verbatim('one that picks none'),
  );
}

/** Throws unless `value` is a filter. */
export function checkFilter(name: string, value: unknown): LeafFilter {
  if (types.isRegExp(value)) return value;
  if (typeof value === 'function') return value as LeafFilter;
  throw typeError('invalid-option', name, 'a RegExp or a function of the path and the leaf', value);
}

/** The groups of an option, each checked by itself. */
export function checkGroups(value: unknown): readonly Group[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw typeError('invalid-option', 'groups', 'an array', value);
  if (value.length > MAX_GROUPS)
    throw rangeError('invalid-option', 'groups', `at most ${String(MAX_GROUPS)}`, value.length);
  return value.map(checkGroup);
}

/** A byte says the group of a leaf. */
const MAX_GROUPS = 255;

function checkGroup(value: unknown, i: number): Group {
  const name = groupName(i);
  const given = checkKeys(name, value, ['parameters', 'learningRate', ...HYPERPARAMETER_NAMES]);
  const own = checkGiven(given, name);
  const { parameters, learningRate } = given;
  return {
    parameters: checkFilter(filterName(i), parameters),
    rate: learningRate === undefined ? undefined : new Rate(`${name}.learningRate`, learningRate, 0),
    own,
  };
}
