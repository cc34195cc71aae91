// Checkpoints of a training: after each epoch everything that changes is in one file, and a new process goes on from it.
import { CheckpointDirectory } from 'metal-sgd';
import { UserError } from './errors';
import type { Options } from './options';
import { type EpochResult, refresh, type Training } from './training';

/** Where a training saves, and from where it goes on. */
export class Checkpoints {
  readonly #directory: CheckpointDirectory;
  /** Whatever the numbers of a run depend on. */
  readonly #settings: string;

  constructor(path: string, { epochs, batchSize, accumulate, shares, learningRate, warmup, ...more }: Options) {
    const { momentum, nesterov, weightDecay, decayOnBias, dtype, masterWeights, maxNorm, lossScale, ema, seed } = more;
    const steps = { epochs, batchSize, accumulate, shares, learningRate, warmup };
    const rule = { momentum, nesterov, weightDecay, decayOnBias, dtype, masterWeights, maxNorm, lossScale, ema };
    this.#directory = new CheckpointDirectory(path);
    this.#settings = JSON.stringify({ ...steps, ...rule, seed });
  }

  /** Refuses a folder in which another run would get mixed up with this one. */
  async begin(): Promise<void> {
    const path = await this.#directory.newest();
    if (path !== undefined) throw new UserError(`${path} is there: give --resume to go on from it, or another folder`);
  }

  /** Brings a new training to where the newest checkpoint is; leaves it alone if there is none. */
  async resume(training: Training): Promise<void> {
    const { parameters, optimizer, history } = training;
    const loaded = await this.#directory.load(optimizer, { parameters }).catch((error: unknown) => {
      throw this.#isOther(error) ? this.#other('other arrays') : error;
    });
    if (!loaded) return;
    const { settings, history: results } = loaded.metadata;
    if (settings !== this.#settings) throw this.#other(`one of ${settings}`);
    refresh(training);
    history.push(...(JSON.parse(results) as EpochResult[]));
  }

  /** True for a file that has other arrays than this run. */
  #isOther(error: unknown): boolean {
    return error instanceof Error && 'code' in error && error.code === 'file-mismatch';
  }

  #other(found: string): UserError {
    return new UserError(`${this.#directory.path}: expected a run of ${this.#settings}, found ${found}`);
  }

  async save({ parameters, optimizer, history }: Training): Promise<void> {
    const metadata = { settings: this.#settings, history: JSON.stringify(history) };
    await this.#directory.save(optimizer, { parameters, metadata });
  }
}
