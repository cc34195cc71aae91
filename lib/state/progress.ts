// How far an optimizer is: its completed steps, and the learning rate.
import { rangeError } from '../errors';
import type { Schedule } from './types';
import { checkLearningRate, learningRateAt } from './hyperparameters';

/** Throws unless `value` can be a number of completed steps. */
export function checkStep(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw rangeError('invalid-state', name, 'a whole number from 0', value);
  }
  return value;
}

/** Counts steps and asks the schedule. */
export class Progress {
  /** As assigned. */
  #rate: number | Schedule;
  #learningRate: number;
  #step = 0;

  constructor(rate: unknown) {
    this.#rate = checkLearningRate(rate);
    this.#learningRate = learningRateAt(this.#rate, 0);
  }

  /** Completed steps. */
  get step(): number {
    return this.#step;
  }

  /** Of the last step; of the first before that. */
  get learningRate(): number {
    return this.#learningRate;
  }

  /** The learning rate of the next step, or of the one `ahead` steps later. */
  rate(ahead = 0): number {
    return learningRateAt(this.#rate, this.#step + ahead);
  }

  /** Takes a number, which ends a schedule, or a schedule. */
  assignRate(value: unknown): this {
    const rate = checkLearningRate(value);
    this.#learningRate = learningRateAt(rate, this.#step);
    this.#rate = rate;
    return this;
  }

  /** Goes on from a saved state: a schedule stays. Both numbers have been checked. */
  restore(step = this.#step, learningRate = this.#learningRate): this {
    this.#step = step;
    this.#learningRate = learningRate;
    if (typeof this.#rate === 'number') this.#rate = learningRate;
    return this;
  }

  completed(learningRate: number): void {
    this.#learningRate = learningRate;
    this.#step++;
  }
}
