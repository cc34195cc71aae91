// Checkpoints of a training: after each epoch everything that changes is in one file, and a new process goes on from it.
import { CheckpointDirectory } from 'metal-sgd';
import { UserError } from './errors';
import type { Options } from './options';
import type { EpochResult, Training } from './training';

/** Where a training saves, and from where it goes on. */
export class Checkpoints {
  readonly #directory: CheckpointDirectory;
  /** Whatever the numbers of a run depend on. */
  readonly #settings: string;

  constructor(path: string, { epochs, batchSize, learningRate, warmup, momentum, ...more }: Options) {
    const { nesterov, weightDecay, seed } = more;
    this.#directory = new CheckpointDirectory(path);
    const settings = { epochs, batchSize, learningRate, warmup, momentum, nesterov, weightDecay, seed };
    this.#settings = JSON.stringify(settings);
  }

  /** Refuses a folder in which another run would get mixed up with this one. */
  async begin(): Promise<void> {
    const path = await this.#directory.newest();
    if (path !== undefined) throw new UserError(`${path} is there: give --resume to go on from it, or another folder`);
  }

  /** Brings a new training to where the newest checkpoint is; leaves it alone if there is none. */
  async resume({ parameters, optimizer, history }: Training): Promise<void> {
    const loaded = await this.#directory.load(optimizer, { parameters });
    if (!loaded) return;
    const { settings, history: results } = loaded.metadata;
    if (settings !== this.#settings) {
      throw new UserError(`${this.#directory.path}: expected a run of ${this.#settings}, found one of ${settings}`);
    }
    history.push(...(JSON.parse(results) as EpochResult[]));
  }

  async save({ parameters, optimizer, history }: Training): Promise<void> {
    const metadata = { settings: this.#settings, history: JSON.stringify(history) };
    await this.#directory.save(optimizer, { parameters, metadata });
  }
}
