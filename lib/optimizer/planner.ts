// From two trees to a plan: reads them, pairs them, finds their slots, and checks that no memory overlaps.
import type { PreparedTree } from '../addon/native';
import { typeError, Verbatim } from '../errors';
import { checkFree } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import { copiesLike } from '../memory/zeros';
import type { State } from '../state/state';
import { checkLeaf, type CheckedLeaf, checkStillThere, isShared, leafReader } from '../tree/leaf';
import { leavesOf, mapTree, type Node, readTree, treeWith } from '../tree/tree';
import { type Pair, pairUp } from './pairs';
import { footprintOfCopies, Plan, prepare, type Stepped, withVelocities } from './plan';
import { Roles } from './roles';
import type { Runner } from './runner';
import type { ReadTree } from './snapshot';

interface Trees {
  readonly parameters: ReadTree;
  readonly gradients: ReadTree;
}

/** Two trees with their slots; `commit` keeps those that are new. */
interface Matched {
  readonly pairs: Node<Pair>;
  readonly stepped: readonly Stepped[];
  readonly commit: () => void;
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
   * The plan for two trees: the last one while they are the same, else a new one. Throws what `SGD.update` throws; then
   * nothing has changed. `shared`: all memory must be shared, and the step waits for other work with it.
   */
  plan(parameters: unknown, gradients: unknown, shared = false): Plan {
    const last = this.#last;
    // A getter of the trees may have assigned a momentum, which ends the plan.
    if (last?.fits(parameters, gradients) && last === this.#last && (!shared || last.isShared)) {
      if (!shared) checkFree('parameters', last.footprint);
      return last;
    }
    return this.#newPlan(parameters, gradients, shared);
  }

  /** Apart from `plan`, which is small so that the compiler inlines it. */
  #newPlan(parameters: unknown, gradients: unknown, shared: boolean): Plan {
    const trees = readTrees(parameters, gradients);
    const { stepped, commit } = this.#match(trees);
    if (shared) for (const { parameter, gradient } of stepped) checkShared(parameter, gradient);
    const complete = withVelocities(stepped, this.#state.usesVelocity);
    const plan = new Plan(trees.parameters, trees.gradients, complete, this.#runner);
    if (!shared) checkFree('parameters', plan.footprint);
    commit();
    this.#replace(plan);
    return plan;
  }

  /** One step on copies of the parameters. `result` is the tree of copies, in the structure of the gradients. */
  planCopies(parameters: unknown, gradients: unknown): { prepared: PreparedTree; result: unknown } {
    const { pairs, stepped, commit } = this.#match(readTrees(parameters, gradients));
    checkFree('parameters', footprintOfCopies(stepped));
    const parametersOf = leavesOf(pairs).map(({ parameter }) => parameter);
    const copies = copiesLike(parametersOf);
    const copyOf = new Map(parametersOf.map((parameter, i) => [parameter, copies[i]]));
    const onCopies = stepped.map((one) => {
      const { parameter } = one;
      return { ...one, parameter: checkLeaf(copyOf.get(parameter) as object, parameter.name) };
    });
    const prepared = prepare(withVelocities(onCopies, this.#state.usesVelocity), this.#runner);
    commit();
    return { prepared, result: treeWith(pairs, copies) };
  }

  /** Ends the last plan: its velocities have been replaced, or are needed from now on. */
  drop(): void {
    this.#replace(undefined);
  }

  #replace(plan: Plan | undefined): void {
    const former = this.#last;
    this.#last = plan;
    former?.retire();
  }

  #match({ parameters, gradients }: Trees): Matched {
    const pairs = pairUp(parameters.node, gradients.node);
    const stepping = mapTree(pairs, ({ parameter }) => parameter);
    const sorted = this.#state.groups.sort(leavesOf(parameters.node));
    const { slots, commit } = this.#state.slots.slotsFor(stepping, 'parameters', sorted.isTrainable);
    const training = leavesOf(pairs).filter(({ parameter }) => sorted.isTrainable(parameter));
    const stepped = training.map((pair, i) => ({ ...pair, slot: slots[i], group: sorted.groupOf(pair.parameter) }));
    this.#roles.check(stepped);
    const velocities = slots.flatMap(({ v }) => v ?? []);
    checkSeparate([...leavesOf(parameters.node), ...velocities], leavesOf(gradients.node));
    const keep = (): void => {
      commit();
      sorted.commit();
      this.#roles.add(stepped);
    };
    return { pairs, stepped, commit: keep };
  }
}

function readTrees(parameters: unknown, gradients: unknown): Trees {
  if (gradients === undefined) {
    const received = new Verbatim(
      'undefined; update takes (parameters, gradients), applyGradients (gradients, parameters)',
    );
    throw typeError('invalid-leaf', 'gradients', 'a tree of gradients', received);
  }
  const trees = {
    parameters: { given: parameters, node: readTree(parameters, 'parameters', leafReader) },
    gradients: { given: gradients, node: readTree(gradients, 'gradients', leafReader) },
  };
  for (const { node } of Object.values(trees)) leavesOf(node).forEach(checkStillThere);
  return trees;
}

function checkShared(...leaves: readonly CheckedLeaf[]): void {
  for (const { data, name } of leaves) {
    if (isShared(data)) continue;
    throw typeError(
      'not-shared',
      name,
      'shared memory, which nobody can take away from a running step: make it by zeros, zerosLike or clone',
      data,
    );
  }
}
