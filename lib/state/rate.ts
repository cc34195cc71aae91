// A learning rate: a number, or a schedule with the number that it gave last.
import { checkLearningRate, checkNumber } from './hyperparameters';
import type { Schedule } from './types';

export class Rate {
  readonly #name: string;
  /** As assigned. */
  #given: number | Schedule;
  #current: number;

  /** Asks a schedule for `step`. `name` says whose rate it is. */
  constructor(name: string, given: unknown, step: number) {
    this.#name = name;
    this.#given = checkLearningRate(name, given);
    this.#current = this.at(step);
  }

  /** Of the last step; of the first before that. */
  get current(): number {
    return this.#current;
  }

  /** Of the step after `step` completed ones. Throws with the step's number if a schedule gives no finite number. */
  at(step: number): number {
    const given = this.#given;
    return typeof given === 'number' ? given : checkNumber(`${this.#name} at step ${String(step)}`, given(step));
  }

  /** A step has been taken with it. */
  completed(current: number): void {
    this.#current = current;
  }

  /** Goes on from a saved number: a schedule stays. */
  restore(current: number): void {
    this.#current = current;
    if (typeof this.#given === 'number') this.#given = current;
  }
}
