// From trees to a plan: reads them, pairs them, finds their slots, and checks that no memory overlaps.
import type { PreparedTree } from '../addon/native';
import { checkFree } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import { copiesLike } from '../memory/zeros';
import { completeForStep } from '../state/complete';
import { PARTS, type Slot } from '../state/slot';
import type { State } from '../state/state';
import { makeArrays } from '../state/stateTree';
import { checkLeaf, type CheckedLeaf } from '../tree/leaf';
import { pathIn } from '../tree/paths';
import { leavesOf, type Node, treeWith } from '../tree/tree';
import { gradientsByParameter, unmatchedSum } from './pairs';
import { footprintOfCopies, namesOf, Plan, settle, show, stepLeaves, type Stepped } from './plan';
import { prepareStep } from './prepare';
import { Roles } from './roles';
import type { Runner } from './runner';
import type { ReadTree } from './snapshot';
import { checkAllThere, checkShared, readGradients, readParameters } from './trees';

interface Trees {
  readonly parameters: ReadTree;
  readonly gradients: readonly ReadTree[];
}

/** Trees with their slots; `commit` keeps those that are new. */
interface Matched {
  /** The parameters that step; with accumulated sums, all of them. */
  readonly stepping: Node<CheckedLeaf>;
  readonly stepped: readonly Stepped[];
  readonly commit: () => void;
}

/** One step on copies of the parameters. */
export interface CopiesPlan {
  readonly prepared: PreparedTree;
  /** Of the parameters. */
  readonly names: readonly string[];
  /** Trees of gradients, without accumulated ones. */
  readonly gradientCount: number;
  /** The tree of copies. */
  readonly result: unknown;
  /** The step has been taken. */
  readonly settle: () => void;
  /** It has failed. */
  readonly failed: () => void;
}

/** Makes the plans of one optimizer, and keeps the last. */
export class Planner {
  readonly #state: State;
  readonly #runner: Runner;
  readonly #roles = new Roles();
  #last: Plan | undefined;

  constructor(state: State, runner: Runner) {
    this.#state = state;
    this.#runner = runner;
  }

  /**
   * The plan for these trees: the last one while they are the same, else a new one. Throws what `SGD.update` throws; then
   * nothing has changed. `shared`: all memory must be shared, and the step waits for other work with it.
   */
  plan(parameters: unknown, gradients: unknown, shared = false): Plan {
    const last = this.#last;
    const sums = this.#state.accumulated.pattern;
    // A getter of the trees may have assigned a momentum, which ends the plan.
    if (last?.fits(parameters, gradients, sums) && last === this.#last && (!shared || last.isShared)) {
      if (!shared) checkFree('parameters', last.footprint);
      return last;
    }
    return this.#newPlan(parameters, gradients, shared);
  }

  /** Apart from `plan`, which is small so that the compiler inlines it. */
  #newPlan(parameters: unknown, gradients: unknown, shared: boolean): Plan {
    const trees = this.#read(parameters, gradients);
    const { stepped, commit } = this.#match(trees);
    if (shared) for (const { parameter, gradients } of stepped) [parameter, ...gradients].forEach(checkShared);
    const { keeps, accumulated } = this.#state;
    completeForStep(stepped, keeps);
    const given = { ...trees, sums: accumulated.pattern };
    const plan = new Plan(given, this.#runner.isTogether ? exchanged(stepped) : stepped, this.#runner, keeps);
    if (!shared) checkFree('parameters', plan.footprint);
    commit();
    this.#replace(plan);
    return plan;
  }

  #read(parameters: unknown, gradients: unknown): Trees {
    const trees = {
      gradients: readGradients(gradients, this.#state.accumulated.count > 0),
      parameters: readParameters(parameters),
    };
    checkAllThere([trees.parameters, ...trees.gradients]);
    return trees;
  }

  /** One step on copies of the parameters, in the structure of the gradients; of the parameters, where there are sums. */
  planCopies(parameters: unknown, gradients: unknown): CopiesPlan {
    const trees = this.#read(parameters, gradients);
    const { stepping, stepped, commit } = this.#match(trees);
    const { keeps } = this.#state;
    completeForStep(stepped, keeps);
    const leaves = stepLeaves(stepped, keeps);
    checkFree('parameters', footprintOfCopies(leaves));
    const originals = leavesOf(stepping);
    const copies = copiesLike(originals);
    const copyOf = new Map(originals.map((parameter, i) => [parameter, copies[i]]));
    const onCopies = leaves.map((one) => {
      const { parameter } = one;
      return { ...one, parameter: checkLeaf(copyOf.get(parameter) as object, parameter.name) };
    });
    const prepared = prepareStep(onCopies, this.#runner);
    commit();
    return {
      prepared,
      names: namesOf(stepped),
      gradientCount: trees.gradients.length,
      result: treeWith(stepping, copies),
      settle: () => {
        settle(stepped, keeps);
      },
      failed: () => {
        show(stepped);
      },
    };
  }

  /** Ends the last plan: its state has been replaced, or more of it is needed from now on. */
  drop(): void {
    this.#replace(undefined);
  }

  #replace(plan: Plan | undefined): void {
    const former = this.#last;
    this.#last = plan;
    former?.retire();
  }

  #match({ parameters, gradients }: Trees): Matched {
    const { groups, slots: allSlots, accumulated } = this.#state;
    const all = leavesOf(parameters.node);
    const pairs = gradientsByParameter(parameters, gradients);
    const sorted = groups.sort(all);
    const { usesVelocity } = this.#state; // a filter may have assigned a momentum
    this.#state.checkMasters(all.filter(sorted.isTrainable));
    const given = pairs.checked(sorted.isTrainable);
    const hasSum = sumFinder(accumulated.slots);
    const stepping = accumulated.count > 0 ? parameters.node : pairs.stepping;
    const wanted = (leaf: CheckedLeaf): boolean => sorted.isTrainable(leaf) && (given.has(leaf) || hasSum(leaf));
    const { slots, commit } = allSlots.slotsFor(stepping, 'parameters', wanted);
    const matched = leavesOf(stepping)
      .filter(wanted)
      .map((parameter, i): Stepped => {
        const group = sorted.groupOf(parameter);
        const sum = hasSum(parameter) && slots[i].isSummed ? slots[i].get('accumulated') : undefined;
        const own = given.get(parameter) ?? [];
        return {
          parameter,
          gradients: sum ? [sum, ...own] : own,
          slot: slots[i],
          group,
          velocity: usesVelocity[group],
        };
      });
    const stepped = this.#runner.measures ? inOrderOf(all, matched) : matched;
    if (accumulated.count > 0) refuseOtherSums(accumulated.slots, slots, all, sorted.isTrainable);
    this.#roles.check(stepped);
    const held = slots.flatMap((slot) => PARTS.flatMap((part) => slot.get(part) ?? []));
    checkSeparate(
      [...all, ...held],
      gradients.flatMap(({ node }) => leavesOf(node)),
    );
    const keep = (): void => {
      commit();
      sorted.commit();
      this.#roles.add(stepped);
    };
    return { stepping, stepped, commit: keep };
  }
}

/** In the order of the parameters' tree, in which the norm adds them. */
function inOrderOf(all: readonly CheckedLeaf[], stepped: readonly Stepped[]): readonly Stepped[] {
  const places = new Map(all.map((leaf, i) => [leaf, i]));
  const placeOf = ({ parameter }: Stepped): number => places.get(parameter) ?? 0;
  return [...stepped].sort((one, other) => placeOf(one) - placeOf(other));
}

/** Says whether a parameter may have an accumulated sum. */
function sumFinder(summed: readonly Slot[]): (leaf: CheckedLeaf) => boolean {
  if (summed.length === 0) return () => false;
  const paths = new Set(summed.map(({ path }) => path ?? ''));
  return ({ name }) => paths.has(pathIn('parameters', name) ?? '');
}

/** The same leaves, whose only gradient is their sum over all ranks. */
function exchanged(stepped: readonly Stepped[]): readonly Stepped[] {
  makeArrays(
    stepped.map(({ slot }) => slot),
    'accumulated',
    false,
  );
  return stepped.map((one) => ({
    ...one,
    gradients: [one.slot.get('accumulated') as CheckedLeaf],
    exchanged: one.gradients,
  }));
}

/** Throws for a sum that no parameter takes, frozen ones aside. */
function refuseOtherSums(
  summed: readonly Slot[],
  slots: readonly Slot[],
  all: readonly CheckedLeaf[],
  isTrainable: (leaf: CheckedLeaf) => boolean,
): void {
  const taken = new Set(slots.filter(({ isSummed }) => isSummed).map(({ path }) => path ?? ''));
  for (const leaf of all) if (!isTrainable(leaf)) taken.add(pathIn('parameters', leaf.name) ?? '');
  const other = summed.find(({ path }) => !taken.has(path ?? ''));
  if (other) throw unmatchedSum(other.path);
}
