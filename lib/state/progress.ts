// How far an optimizer is: its completed steps, and the learning rate.
import { rangeError } from '../errors';
import { Rate } from './rate';

/** Throws unless `value` can be a number of completed steps. */
export function checkStep(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw rangeError('invalid-state', name, 'a whole number from 0', value);
  }
  return value;
}

/** Counts steps and asks the schedule. */
export class Progress {
  #rate: Rate;
  #step = 0;

  constructor(rate: unknown) {
    this.#rate = new Rate('learningRate', rate, 0);
  }

  /** Completed steps. */
  get step(): number {
    return this.#step;
  }

  /** Of the last step; of the first before that. */
  get learningRate(): number {
    return this.#rate.current;
  }

  /** The learning rate of the next step, or of the one `ahead` steps later. */
  rate(ahead = 0): number {
    return this.#rate.at(this.#step + ahead);
  }

  /** Takes a number, which ends a schedule, or a schedule. */
  assignRate(value: unknown): void {
    this.#rate = new Rate('learningRate', value, this.#step);
  }

  /** Goes on from a saved state: a schedule stays. Both numbers have been checked. */
  restore(step = this.#step, learningRate = this.#rate.current): void {
    this.#step = step;
    this.#rate.restore(learningRate);
  }

  completed(learningRate: number): void {
    this.#rate.completed(learningRate);
    this.#step++;
  }
}
