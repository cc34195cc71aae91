// Settings rows: the numbers that a step reads and writes, by the names of the addon's columns.
import { constants } from './native';
import type { Column, Verdict } from './names';

/** One row for an optimizer, and one for each of its groups. */
export class Settings {
  /** As the addon takes them. */
  readonly rows: Float64Array;
  readonly #width = constants().settings.length;
  readonly #learningRate = indexOf('learningRate');
  readonly #divisor = indexOf('divisor');
  readonly #gradientScale = indexOf('gradientScale');
  readonly #maxNorm = indexOf('maxNorm');
  readonly #verdict = indexOf('verdict');
  readonly #skipped = constants().verdicts.indexOf('skipped');

  constructor(groups: number) {
    this.rows = new Float64Array(this.#width * (1 + groups));
    this.setStep(0, 1, 1);
    this.setMaxNorm(NaN);
  }

  get(column: Column): number {
    return this.rows[indexOf(column)];
  }

  /** What became of the last step. */
  get verdict(): Verdict {
    return constants().verdicts[this.rows[this.#verdict]];
  }

  get isSkipped(): boolean {
    return this.rows[this.#verdict] === this.#skipped;
  }

  set(column: Column, value: number | boolean, row = 0): void {
    this.rows[row * this.#width + indexOf(column)] = Number(value);
  }

  /** Sets the columns that every step sets. */
  setStep(learningRate: number, divisor: number, gradientScale: number): void {
    const { rows } = this;
    rows[this.#learningRate] = learningRate;
    rows[this.#divisor] = divisor;
    rows[this.#gradientScale] = gradientScale;
  }

  /** Sets the largest norm; NaN for none. */
  setMaxNorm(value: number): void {
    this.rows[this.#maxNorm] = value;
  }

  /** Sets the learning rate of a group. */
  setLearningRate(value: number, row: number): void {
    this.rows[row * this.#width + this.#learningRate] = value;
  }
}

function indexOf(column: Column): number {
  return constants().settings.indexOf(column);
}
