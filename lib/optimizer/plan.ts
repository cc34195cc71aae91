// A plan: trees that were checked, paired and handed to the addon once. It serves as long as the same arrays come back.
import { native, type PreparedTree } from '../addon/native';
import type { Role } from '../addon/names';
import { describe } from '../distributed/talk';
import { type Arrays, Footprint } from '../memory/inUse';
import { usedParts } from '../state/complete';
import type { Part, Slot } from '../state/slot';
import type { Keeps } from '../state/stateTree';
import type { LeafData } from '../tree/dtype';
import { type CheckedLeaf, isShared } from '../tree/leaf';
import { type HowToStep, prepareStep, type StepLeaf } from './prepare';
import { RankSum, type Summand } from './rankSum';
import { type ReadTree, Snapshot } from './snapshot';
import { areSame } from './trees';

/** A parameter with what its step takes. */
export interface Stepped {
  readonly parameter: CheckedLeaf;
  /** Summed in this order; an accumulated sum comes first. */
  readonly gradients: readonly CheckedLeaf[];
  /** In a world of several processes: what this rank adds to the gradient, which is the sum over all ranks. */
  readonly exchanged?: readonly CheckedLeaf[];
  readonly slot: Slot;
  /** 0 for the optimizer's own. */
  readonly group: number;
  /** True if its steps have a momentum. */
  readonly velocity: boolean;
}

/** The parts of a slot by the addon's roles. */
const PART_OF: readonly (readonly [Role, Part])[] = [
  ['velocity', 'v'],
  ['master', 'master'],
  ['average', 'ema'],
];

/** The trees of a plan, and what else it depends on. */
interface Given {
  readonly parameters: ReadTree;
  readonly gradients: readonly ReadTree[];
  /** Which slots have an accumulated sum. */
  readonly sums: object | undefined;
}

/** Trees, ready to step. */
export class Plan {
  /** Trees of gradients, without accumulated ones. */
  readonly gradientCount: number;
  /** True if all arrays lie in shared memory, which nobody can detach. */
  readonly isShared: boolean;
  /** What a step reads and writes. */
  readonly footprint: Footprint;
  /** Of the parameters, where steps measure their gradients: an error names one. */
  readonly names: readonly string[];
  /** Of the parameters, as other processes compare them. */
  readonly lines: readonly string[];
  /** In a world of several processes. */
  readonly rankSum: RankSum | undefined;
  /** Until nothing is left to be made by a step. */
  #stepped: readonly Stepped[] | undefined;
  readonly #how: HowToStep;
  readonly #keeps: Keeps;
  readonly #sums: object | undefined;
  readonly #snapshot: Snapshot;
  /** Kept alive here: the prepared tree points into them. */
  readonly #arrays: Arrays;
  /** As the addon takes it. */
  prepared: PreparedTree;
  /** True once neither `ready` nor `settle` would do anything, and a step is over when it has run. */
  isWarm = false;
  /** What the prepared step makes, for each leaf; `undefined`: nothing. */
  #first: string | undefined;
  #isSettled = false;
  #held = 0;
  #isRetired = false;

  constructor({ parameters, gradients, sums }: Given, stepped: readonly Stepped[], how: HowToStep, keeps: Keeps) {
    this.gradientCount = gradients.length;
    this.#sums = sums;
    this.#stepped = stepped;
    this.#how = how;
    this.#keeps = keeps;
    this.names = how.measures ? namesOf(stepped) : [];
    this.lines = how.isTogether ? stepped.map(lineOf) : [];
    if (how.isTogether) this.rankSum = new RankSum(stepped.map(summandOf));
    const leaves = stepLeaves(stepped, keeps);
    this.#first = firstOf(leaves);
    this.prepared = prepareStep(leaves, how);
    this.#arrays = arraysOf(leaves, stepped);
    this.footprint = new Footprint(() => this.#arrays);
    this.isShared = this.#arrays.written.every(isShared) && this.#arrays.read.every(isShared);
    this.#snapshot = new Snapshot([parameters, ...gradients]);
  }

  /** Prepares the next step. One that makes velocities or averages is prepared apart from later ones. */
  ready(): void {
    if (this.#first !== undefined) this.#prepareAgain();
  }

  #prepareAgain(): void {
    const leaves = stepLeaves(this.#stepped ?? [], this.#keeps);
    const first = firstOf(leaves);
    if (first === this.#first) return;
    const prepared = prepareStep(leaves, this.#how);
    native().release(this.prepared);
    this.prepared = prepared;
    this.#first = first;
    this.#forgetStepped();
  }

  /** A step of the plan has been taken. */
  settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    settle(this.#stepped ?? [], this.#keeps);
    this.#forgetStepped();
  }

  /** A step of the plan has failed, and may have written velocities: they are state from now on. */
  failed(): void {
    show(this.#stepped ?? []);
  }

  #forgetStepped(): void {
    if (!this.#isSettled || this.#first !== undefined) return;
    this.#stepped = undefined;
    this.isWarm = !this.#how.measures;
  }

  /** A pending step will use the plan. */
  hold(): void {
    this.#held++;
  }

  /** Such a step is over. */
  drop(): void {
    this.#held--;
    this.#releaseUnused();
  }

  /** No later step uses the plan: the addon lets go of it, once pending steps are over. */
  retire(): void {
    this.#isRetired = true;
    this.#releaseUnused();
  }

  #releaseUnused(): void {
    if (!this.#isRetired || this.#held > 0) return;
    native().release(this.prepared);
    this.rankSum?.release();
  }

  /** True if the plan still holds for these trees and sums. Allocates nothing. */
  fits(parameters: unknown, gradients: unknown, sums: object | undefined): boolean {
    const snapshot = this.#snapshot;
    if (sums !== this.#sums) return false;
    // Two plain trees first: the rest of a warm step is as short as this.
    const are =
      snapshot.areOf(parameters, gradients) || (snapshot.isOf(parameters, 0) && areSame(gradients, snapshot, 1));
    return are && snapshot.holds();
  }
}

const summandOf = ({ gradients: [sum], exchanged = [] }: Stepped): Summand => ({ sum, gradients: exchanged });

const lineOf = ({ parameter, group }: Stepped): string => `${describe(parameter)} of group ${String(group)}`;

/** The names of the parameters. */
export const namesOf = (stepped: readonly Stepped[]): readonly string[] =>
  stepped.map(({ parameter }) => parameter.name);

/** The arrays that the steps of these leaves use now. */
export function stepLeaves(stepped: readonly Stepped[], keeps: Keeps): readonly StepLeaf[] {
  return stepped.map((one) => {
    const { parameter, gradients, slot, group } = one;
    const used = usedParts(one, keeps);
    const parts = PART_OF.flatMap(([role, part]) => (used.includes(part) ? [[role, slot.get(part)] as const] : []));
    return { parameter, gradients, group, first: firstRoles(one, keeps), ...Object.fromEntries(parts) };
  });
}

function firstRoles({ slot, velocity }: Stepped, keeps: Keeps): Role[] {
  const first: Role[] = [];
  if (velocity && keeps.firstStepMakesVelocity && slot.isFirstVelocity) first.push('velocity');
  if (keeps.averages && slot.isFirstAverage) first.push('average');
  return first;
}

function firstOf(leaves: readonly StepLeaf[]): string | undefined {
  if (leaves.every(({ first }) => first.length === 0)) return undefined;
  return leaves.map(({ first }) => first.join('+')).join();
}

/** A step of these leaves has been taken: what it made is there. */
export function settle(stepped: readonly Stepped[], { averages }: Keeps): void {
  for (const { slot, velocity } of stepped) {
    if (velocity) {
      slot.isFirstVelocity = false;
      slot.isForStep = false;
    }
    if (averages) slot.isFirstAverage = false;
  }
}

/** Velocities that were made for a step show in the state. */
export function show(stepped: readonly Stepped[]): void {
  for (const { slot } of stepped) slot.isForStep = false;
}

const dataOf = (...leaves: readonly (CheckedLeaf | undefined)[]): LeafData[] =>
  leaves.flatMap((leaf) => (leaf ? [leaf.data] : []));

/** What a step of these leaves reads and writes. */
function arraysOf(leaves: readonly StepLeaf[], stepped: readonly Stepped[]): Arrays {
  const exchanged = stepped.flatMap((one) => dataOf(...(one.exchanged ?? [])));
  return {
    written: leaves.flatMap(({ parameter, velocity, master, average }) => dataOf(parameter, velocity, master, average)),
    read: [...leaves.flatMap(({ gradients }) => dataOf(...gradients)), ...exchanged],
  };
}

/** What a step of copies of these leaves reads and writes. */
export function footprintOfCopies(leaves: readonly StepLeaf[]): Footprint {
  return new Footprint(() => ({
    written: leaves.flatMap(({ velocity, master, average }) => dataOf(velocity, master, average)),
    read: leaves.flatMap(({ parameter, gradients }) => dataOf(parameter, ...gradients)),
  }));
}
