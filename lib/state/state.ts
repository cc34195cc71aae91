// All that a checkpoint holds of an optimizer: hyperparameters, progress, and a slot for each parameter.
import { rangeError, typeError } from '../errors';
import { leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import type { OptimizerState } from './types';
import type { Groups } from './groups';
import { checkNumber, type Hyperparameters } from './hyperparameters';
import { checkStep, Progress } from './progress';
import type { Slot } from './slot';
import { makeVelocities, Slots } from './slots';

/** The state of one optimizer. */
export class State {
  readonly progress: Progress;
  readonly slots = new Slots();
  readonly groups: Groups;
  hyperparameters: Hyperparameters;

  constructor(learningRate: unknown, hyperparameters: Hyperparameters, groups: Groups) {
    this.progress = new Progress(learningRate);
    this.hyperparameters = hyperparameters;
    this.groups = groups;
  }

  /** Whether steps use velocities: of the optimizer's own leaves, then of each group's. */
  get usesVelocity(): readonly boolean[] {
    return this.groups.all(this.hyperparameters).map(({ momentum }) => momentum > 0);
  }

  /** `SGD.init`: makes the slots of all leaves. */
  init(parameters: unknown): readonly Slot[] {
    const node = readTree(parameters, 'parameters', leafReader);
    const sorted = this.groups.sort(leavesOf(node));
    const { slots, commit } = this.slots.slotsFor(node, 'parameters', sorted.isTrainable);
    const training = leavesOf(node).filter(sorted.isTrainable);
    const { usesVelocity } = this;
    makeVelocities(slots.filter((_, i) => usesVelocity[sorted.groupOf(training[i])]));
    commit();
    sorted.commit();
    return slots;
  }

  /** With the live arrays. */
  read(): OptimizerState {
    const { step, learningRate } = this.progress;
    const groups = this.groups.currentRates(learningRate).map((rate) => ({ learningRate: rate }));
    return { step, learningRate, parameters: this.slots.toState(), ...(groups.length > 0 && { groups }) };
  }

  /** Copies a state in, after all of it is checked. */
  assign(value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      throw typeError('invalid-state', 'state', '{ step, learningRate, parameters }', value);
    }
    const given = value as Partial<Record<keyof OptimizerState, unknown>>;
    const { step, learningRate, parameters, groups, ...others } = given;
    const extra = Object.keys(others).at(0);
    const known = 'step, learningRate, parameters, groups';
    if (extra !== undefined) throw rangeError('invalid-state', 'state', `only ${known}`, extra);
    const rates = groups === undefined ? undefined : this.#checkRates(groups);
    const checkedStep = checkStep('state.step', step);
    const checkedRate = checkNumber('state.learningRate', learningRate);
    this.slots.assign(parameters, 'state.parameters');
    this.progress.restore(checkedStep, checkedRate);
    if (rates) this.groups.restoreRates(rates);
  }

  #checkRates(groups: unknown): readonly number[] {
    const expected = `an array of ${String(this.groups.count)} { learningRate }`;
    if (!Array.isArray(groups)) throw typeError('invalid-state', 'state.groups', expected, groups);
    if (groups.length !== this.groups.count)
      throw rangeError('state-mismatch', 'state.groups', expected, groups.length);
    return groups.map((group: unknown, i) => {
      const rate =
        typeof group === 'object' && group !== null ? (group as { learningRate?: unknown }).learningRate : group;
      return checkNumber(`state.groups.${String(i)}.learningRate`, rate);
    });
  }
}
