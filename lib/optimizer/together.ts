// The steps of one optimizer on all processes of a world: gradients are summed here, then over the ranks, and every rank takes
// the same step.
import { coded } from '../errors';
import type { Accumulator } from './accumulator';
import type { Concerned } from './configuration';
import type { Plan } from './plan';
import type { Talk } from '../distributed/talk';
import { World } from './world';

/** What a step is called with, as ranks compare it. */
export interface StepSays {
  readonly step: number;
  /** Trees of this rank, those that were accumulated among them. */
  readonly gradients: number;
  readonly rate: number;
  readonly groupRates: readonly number[];
  readonly maxNorm: number;
  readonly scale: number;
  readonly lossScale: number | undefined;
}

/** Steps of several processes. */
export class Together {
  readonly world: World;
  readonly #concerned: Concerned;
  readonly #accumulator: Accumulator;
  readonly #talk: Talk;
  readonly #number: number;
  #hasAgreedOnFlushing = false;

  constructor(world: World, concerned: Concerned, accumulator: Accumulator) {
    this.world = world;
    this.#concerned = concerned;
    this.#accumulator = accumulator;
    this.#talk = World.talkOf(world);
    this.#number = this.#talk.addOptimizer();
  }

  /** Throws what the call deserves; then nothing has changed. Else refuses other exchanges until `end`. */
  plan(parameters: unknown, gradients: unknown): Plan {
    this.#talk.begin('updateAsync');
    try {
      return this.#concerned.planner.plan(parameters, gradients, true);
    } catch (error) {
      this.#talk.end();
      throw error;
    }
  }

  /** The step is over. */
  end(): void {
    this.#talk.end();
  }

  /**
   * Sums the plan's gradients over all ranks. Rejects with code `world-mismatch` on all ranks if they differ; else calls
   * `begun`, and from then on accumulated sums are lost.
   */
  async sum({ lines: leaves, rankSum }: Plan, { gradients, ...says }: StepSays, begun: () => void): Promise<void> {
    if (!rankSum) return;
    await this.#agreeOnFlushing();
    const { state, runner } = this.#concerned;
    const { hyperparameters, around, groups, masterWeights } = state;
    const options = { ...around, masterWeights, hyperparameters: groups.all(hyperparameters) };
    const lines = [
      `optimizer ${String(this.#number)}`,
      `step ${String(says.step)}`,
      `gradients ${String(gradients)}`,
      `options ${JSON.stringify({ ...options, ...says }, numbers)}`,
      ...leaves,
    ];
    const { flushesSubnormals: flushSubnormals } = runner;
    const prepare = (): Promise<void> => {
      begun();
      return rankSum.sumHere(flushSubnormals);
    };
    await this.#talk.sum(lines, rankSum.leaves, { what: 'updateAsync', prepare, flushSubnormals, divisor: 1 });
  }

  async #agreeOnFlushing(): Promise<void> {
    if (this.#hasAgreedOnFlushing) return;
    const { runner } = this.#concerned;
    if (await this.#talk.anyFlushes(runner.flushesSubnormals)) {
      runner.flush();
      this.#accumulator.flush();
    }
    this.#hasAgreedOnFlushing = true;
  }

  /** Runs `save` on rank 0; the path of its file. The others wait. */
  write(save: () => Promise<string>): Promise<string> {
    return this.#talk.exclusive('save', async () => {
      const saved = this.world.rank === 0 ? save() : Promise.resolve('');
      const [told] = await this.#talk.textsOnce(
        'save',
        saved.catch(() => ''),
      );
      await saved;
      if (told === '') throw coded(Error, 'aborted', 'save: rank 0 could not write the file, and says why');
      return told;
    });
  }

  /** Runs `load` on all ranks, which compare what they have then. */
  load<T>(load: () => Promise<T>, digest: () => string): Promise<T> {
    return this.#talk.exclusive('load', async () => {
      const loaded = load();
      const own = loaded.then(digest, () => '');
      const told = await this.#talk.textsOnce('load', own);
      const result = await loaded;
      const other = told.findIndex((one) => one !== told[this.world.rank]);
      if (other < 0) return result;
      const what = told[other] === '' ? 'could not load it' : 'has other contents';
      throw coded(
        Error,
        'world-mismatch',
        `load: expected the same file on all ranks, but rank ${String(other)} ${what}`,
      );
    });
  }
}

/** JSON has no infinities, and schedules no text. */
function numbers(_: string, value: unknown): unknown {
  if (typeof value === 'function') return 'function';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
