// All that a checkpoint holds of an optimizer: hyperparameters, progress, and a slot for each parameter.
import { rangeError, typeError, Verbatim } from '../errors';
import { type CheckedLeaf, leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import type { Averages } from '../tree/types';
import type { OptimizerState } from './types';
import { Accumulated } from './accumulated';
import type { SGDAround } from './around';
import { complete } from './complete';
import type { Groups } from './groups';
import { checkNumber, type Hyperparameters } from './hyperparameters';
import { checkStep, Progress } from './progress';
import { checkLossScaleState, type LossScale, type LossScaleState } from './lossScale';
import { isNarrow } from './slot';
import { Slots } from './slots';
import { assignState, averagesTree, type Keeps, stateTree } from './stateTree';

/** What an optimizer is made with, checked. */
export interface StateOptions {
  readonly hyperparameters: Hyperparameters;
  readonly around: SGDAround;
  readonly lossScale: LossScale | undefined;
  readonly groups: Groups;
  readonly masterWeights: boolean;
}

/** The state of one optimizer. */
export class State {
  readonly progress: Progress;
  readonly slots: Slots;
  readonly groups: Groups;
  readonly masterWeights: boolean;
  readonly accumulated = new Accumulated();
  readonly lossScale: LossScale | undefined;
  hyperparameters: Hyperparameters;
  around: Readonly<SGDAround>;

  constructor(learningRate: unknown, { hyperparameters, around, lossScale, groups, masterWeights }: StateOptions) {
    this.progress = new Progress(learningRate);
    this.slots = new Slots(masterWeights);
    this.hyperparameters = hyperparameters;
    this.around = around;
    this.lossScale = lossScale;
    this.groups = groups;
    this.masterWeights = masterWeights;
  }

  /** Whether steps use velocities: of the optimizer's own leaves, then of each group's. */
  get usesVelocity(): readonly boolean[] {
    return this.groups.all(this.hyperparameters).map(({ momentum }) => momentum > 0);
  }

  /** What steps keep beside velocities. */
  get keeps(): Keeps {
    const { emaDecay, firstStep } = this.around;
    const firstStepMakesVelocity = firstStep === 'torch';
    return { masters: this.masterWeights, averages: emaDecay !== undefined, firstStepMakesVelocity };
  }

  /** `SGD.init`: makes the slots of all leaves. */
  init(parameters: unknown): void {
    const node = readTree(parameters, 'parameters', leafReader);
    const sorted = this.groups.sort(leavesOf(node));
    const { slots, commit } = this.slots.slotsFor(node, 'parameters', sorted.isTrainable);
    const training = leavesOf(node).filter(sorted.isTrainable);
    this.checkMasters(training);
    const { usesVelocity } = this;
    const stepping = training.map((parameter, i) => {
      return { parameter, slot: slots[i], velocity: usesVelocity[sorted.groupOf(parameter)] };
    });
    complete(stepping, this.keeps, ['v', 'master']);
    commit();
    sorted.commit();
  }

  /** Throws if the option for masters would do nothing. */
  checkMasters(training: readonly CheckedLeaf[]): void {
    if (!this.masterWeights || training.length === 0 || training.some(({ dtype }) => isNarrow(dtype))) return;
    const received = new Verbatim(`none: the first, ${training[0].name}, is ${training[0].dtype}`);
    throw rangeError('invalid-option', 'masterWeights', 'a leaf of float16 or bfloat16', received);
  }

  /** With the live arrays. */
  read(): OptimizerState {
    const { step, learningRate } = this.progress;
    const { present: count } = this.accumulated;
    const lossScale = this.lossScale?.state;
    const groups = this.groups.currentRates(learningRate).map((rate) => ({ learningRate: rate }));
    return {
      step,
      learningRate,
      parameters: stateTree(this.slots, this.keeps),
      ...(count > 0 && { accumulated: count }),
      ...(lossScale && { lossScale }),
      ...(groups.length > 0 && { groups }),
    };
  }

  /** The averages with the live arrays; `undefined` without a decay. */
  get averages(): Averages | undefined {
    return this.keeps.averages ? averagesTree(this.slots, this.keeps) : undefined;
  }

  /** Copies a state in, after all of it is checked. */
  assign(value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      throw typeError('invalid-state', 'state', '{ step, learningRate, parameters }', value);
    }
    const given = value as Partial<Record<keyof OptimizerState, unknown>>;
    const { step, learningRate, parameters, accumulated, lossScale, groups, ...others } = given;
    const extra = Object.keys(others).at(0);
    const known = 'step, learningRate, parameters, accumulated, lossScale, groups';
    if (extra !== undefined) throw rangeError('invalid-state', 'state', `only ${known}`, extra);
    const scale = lossScale === undefined ? undefined : this.#checkLossScale(lossScale);
    const rates = groups === undefined ? undefined : this.#checkRates(groups);
    const checkedStep = checkStep('state.step', step);
    const checkedRate = checkNumber('state.learningRate', learningRate);
    const count = accumulated === undefined ? 0 : checkStep('state.accumulated', accumulated);
    assignState(this.slots, parameters, 'state.parameters', this.keeps, count);
    this.accumulated.restore(count, this.slots.all);
    this.progress.restore(checkedStep, checkedRate);
    if (rates) this.groups.restoreRates(rates);
    this.lossScale?.restore(scale);
  }

  #checkLossScale(value: unknown): LossScaleState {
    const name = 'state.lossScale';
    if (!this.lossScale) throw rangeError('state-mismatch', name, 'none, as the optimizer', value);
    return checkLossScaleState(name, value);
  }

  #checkRates(groups: unknown): readonly number[] {
    const expected = `an array of ${String(this.groups.count)} { learningRate }`;
    if (!Array.isArray(groups)) throw typeError('invalid-state', 'state.groups', expected, groups);
    if (groups.length !== this.groups.count)
      throw rangeError('state-mismatch', 'state.groups', expected, groups.length);
    return groups.map((group: unknown, i) => {
      const rate =
        typeof group === 'object' && group !== null ? (group as { learningRate?: unknown }).learningRate : undefined;
      return checkNumber(`state.groups.${String(i)}.learningRate`, rate);
    });
  }
}
