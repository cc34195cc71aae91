// Accumulation: adds gradients to the sums of their slots, for a later step. On the CPU, whatever the device.
import { native, type PreparedTree } from '../addon/native';
import { Settings } from '../addon/settings';
import { checkFree, Footprint } from '../memory/inUse';
import { coded } from '../errors';
import { checkSeparate } from '../memory/overlap';
import { type Slot, wideDtype } from '../state/slot';
import type { State } from '../state/state';
import { makeArrays } from '../state/stateTree';
import { checkAlike, compareTrees } from '../tree/compare';
import type { CheckedLeaf } from '../tree/leaf';
import { leavesOf } from '../tree/tree';
import { missingIn } from './pairs';
import { prepareSum, type StepLeaf } from './prepare';
import { type ReadTree, Snapshot } from './snapshot';
import { areSame, checkAllThere, readGradients } from './trees';

/** Plans that are kept. */
const MOST_PLANS = 8;

/** A slot and the gradients that are added to its sum. */
interface Summand {
  readonly slot: Slot;
  readonly gradients: readonly CheckedLeaf[];
}

/** Accumulates the gradients of one optimizer. */
export class Accumulator {
  readonly #state: State;
  readonly #settings = new Settings(0);
  /** The newest first: workers bring trees that take turns. */
  #plans: readonly SumPlan[] = [];

  constructor(state: State, flushSubnormals: boolean) {
    this.#state = state;
    this.#settings.set('flushSubnormals', flushSubnormals);
  }

  /** From now on float32 subnormals are flushed. */
  flush(): void {
    this.#settings.set('flushSubnormals', true);
  }

  /** Adds one tree, or those of a `meanOf` one by one. Throws what is wrong with them; then nothing has changed. */
  add(gradients: unknown): void {
    const plan = this.#planFor(gradients) ?? this.#newPlan(gradients);
    checkFree('gradients', plan.footprint);
    plan.run();
    this.#state.accumulated.added(plan.count, plan.slots, plan);
  }

  #planFor(gradients: unknown): SumPlan | undefined {
    const { generation } = this.#state.slots;
    for (const plan of this.#plans) if (plan.generation === generation && plan.fits(gradients)) return plan;
    return undefined;
  }

  #newPlan(gradients: unknown): SumPlan {
    const trees = readGradients(gradients, false);
    checkAllThere(trees);
    if (leavesOf(trees[0].node).length === 0)
      throw coded(
        RangeError,
        'invalid-tree',
        `${trees[0].name}: expected a tree with leaves, received one without any`,
      );
    const { slots, commit } = this.#state.slots.slotsForGradients(trees[0].node, trees[0].name);
    const lists = listsOf(trees);
    makeArrays(slots, 'accumulated', false);
    const summands = slots.map((slot, i) => ({ slot, gradients: lists[i] }));
    checkSeparate(
      slots.map((slot) => slot.get('accumulated') as CheckedLeaf),
      lists.flat(),
    );
    commit();
    const plan = new SumPlan(trees, summands, { settings: this.#settings, generation: this.#state.slots.generation });
    for (const old of this.#plans.slice(MOST_PLANS - 1)) old.release();
    this.#plans = [plan, ...this.#plans.slice(0, MOST_PLANS - 1)];
    return plan;
  }

  /** Ends all plans: the state has been replaced. */
  drop(): void {
    for (const plan of this.#plans) plan.release();
    this.#plans = [];
  }
}

/** The gradients of each leaf of the first tree, in the order of the trees. */
export function listsOf([first, ...others]: readonly ReadTree[]): readonly (readonly CheckedLeaf[])[] {
  const lists = new Map(leavesOf(first.node).map((leaf) => [leaf, [leaf]]));
  for (const other of others) {
    compareTrees(first.node, other.node, other.name, {
      pair: (leaf, partner) => {
        checkAlike({ ...partner, dtype: wideDtype(partner.dtype) }, { ...leaf, dtype: wideDtype(leaf.dtype) });
        lists.get(leaf)?.push(partner);
      },
      differ: ({ path, kind }) => {
        throw kind === 'missing' ? missingIn(path, first.name) : extraIn(path, first.name);
      },
    });
  }
  return [...lists.values()];
}

function extraIn(path: string, other: string): Error {
  const text = `${path}: expected the leaves of ${other}, received another; all trees of meanOf have the same leaves`;
  return coded(RangeError, 'invalid-tree', text);
}

interface HowToSum {
  readonly settings: Settings;
  readonly generation: number;
}

/** Trees of gradients and the sums that they are added to. */
class SumPlan {
  /** Of the slots: plans of former ones are dead. */
  readonly generation: number;
  readonly slots: readonly Slot[];
  readonly footprint: Footprint;
  readonly #summands: readonly Summand[];
  readonly #settings: Settings;
  readonly #snapshot: Snapshot;
  /** Copies the first gradient. */
  #starts: PreparedTree | undefined;
  /** Adds to sums that are there. */
  #continues: PreparedTree | undefined;

  constructor(trees: readonly ReadTree[], summands: readonly Summand[], { settings, generation }: HowToSum) {
    this.generation = generation;
    this.slots = summands.map(({ slot }) => slot);
    this.#summands = summands;
    this.#settings = settings;
    this.#snapshot = new Snapshot(trees);
    this.footprint = new Footprint(() => ({
      written: summands.map(({ slot }) => (slot.get('accumulated') as CheckedLeaf).data),
      read: summands.flatMap(({ gradients }) => gradients.map(({ data }) => data)),
    }));
  }

  /** Trees that one run adds. */
  get count(): number {
    return this.#snapshot.count;
  }

  /** True if the plan holds for these gradients. Allocates nothing. */
  fits(gradients: unknown): boolean {
    return areSame(gradients, this.#snapshot, 0) && this.#snapshot.holds();
  }

  run(): void {
    let summed = 0;
    for (const { isSummed } of this.slots) if (isSummed) summed++;
    if (summed === 0) this.#step((this.#starts ??= this.#prepare()));
    else if (summed === this.slots.length) this.#step((this.#continues ??= this.#prepare()));
    else this.#runOnce();
  }

  #step(prepared: PreparedTree): void {
    native().step(prepared);
  }

  /** Some leaves have a sum, and some have none. */
  #runOnce(): void {
    const prepared = this.#prepare();
    this.#step(prepared);
    native().release(prepared);
  }

  /** As the slots are now. */
  #prepare(): PreparedTree {
    const leaves = this.#summands.map(({ slot, gradients }): StepLeaf => {
      const sum = slot.get('accumulated') as CheckedLeaf;
      return { parameter: sum, gradients: slot.isSummed ? [sum, ...gradients] : gradients, group: 0, first: [] };
    });
    return prepareSum(leaves, this.#settings);
  }

  release(): void {
    for (const prepared of [this.#starts, this.#continues]) if (prepared) native().release(prepared);
  }
}
