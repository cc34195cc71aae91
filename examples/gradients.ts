// What happened to the gradients of a training that clips them, or scales its loss.
import type { LastRun } from 'metal-sgd';

/** Of an epoch whose steps measured their gradients. */
export interface GradientResult {
  /** The largest norm of the epoch. */
  readonly norm: number;
  /** Steps that clipped since the training began. */
  readonly clipped: number;
  /** Steps that were left out since the training began. */
  readonly skipped: number;
}

/** Counts the steps of an epoch. */
export class GradientTally {
  #hasMeasured = false;
  #norm = 0;
  #clipped: number;
  #skipped: number;

  /** @param last Of the epoch before. */
  constructor(last: GradientResult | undefined) {
    this.#clipped = last?.clipped ?? 0;
    this.#skipped = last?.skipped ?? 0;
  }

  /** Takes up the step that has just been taken, if it measured its gradients. */
  add(run: LastRun | undefined): void {
    if (run?.gradientNorm === undefined) return;
    this.#hasMeasured = true;
    if (run.skipped) this.#skipped++;
    else this.#norm = Math.max(this.#norm, run.gradientNorm);
    if (run.clipped) this.#clipped++;
  }

  /** `undefined` if no step measured its gradients. */
  get result(): GradientResult | undefined {
    return this.#hasMeasured ? { norm: this.#norm, clipped: this.#clipped, skipped: this.#skipped } : undefined;
  }
}
