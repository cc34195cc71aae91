// All that a checkpoint holds of an optimizer: hyperparameters, progress, and a slot for each parameter.
import { rangeError, typeError } from '../errors';
import { leafReader } from '../tree/leaf';
import { readTree } from '../tree/tree';
import type { OptimizerState } from './types';
import { checkNumber, type Hyperparameters } from './hyperparameters';
import { checkStep, Progress } from './progress';
import { makeVelocities, type Slot, Slots } from './slots';

/** The state of one optimizer. */
export class State {
  readonly progress: Progress;
  readonly slots = new Slots();
  hyperparameters: Hyperparameters;

  constructor(learningRate: unknown, hyperparameters: Hyperparameters) {
    this.progress = new Progress(learningRate);
    this.hyperparameters = hyperparameters;
  }

  /** True if steps use velocities. */
  get usesVelocity(): boolean {
    return this.hyperparameters.momentum > 0;
  }

  /** `SGD.init`: makes the slots of all leaves. */
  init(parameters: unknown): readonly Slot[] {
    const { slots, commit } = this.slots.slotsFor(readTree(parameters, 'parameters', leafReader), 'parameters');
    if (this.usesVelocity) makeVelocities(slots);
    commit();
    return slots;
  }

  /** With the live arrays. */
  read(): OptimizerState {
    const { step, learningRate } = this.progress;
    return { step, learningRate, parameters: this.slots.toState() };
  }

  /** Copies a state in, after all of it is checked. */
  assign(value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      throw typeError('invalid-state', 'state', '{ step, learningRate, parameters }', value);
    }
    const { step, learningRate, parameters, ...others } = value as Partial<Record<keyof OptimizerState, unknown>>;
    const extra = Object.keys(others).at(0);
    if (extra !== undefined) throw rangeError('invalid-state', 'state', 'only step, learningRate, parameters', extra);
    const checkedStep = checkStep('state.step', step);
    const checkedRate = checkNumber('state.learningRate', learningRate);
    this.slots.assign(parameters, 'state.parameters');
    this.progress.restore(checkedStep, checkedRate);
  }
}
