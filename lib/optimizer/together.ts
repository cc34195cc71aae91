// The steps of one optimizer on all processes of a world: gradients are summed here, then over the ranks, and every rank takes
// the same step.
import { coded } from '../errors';
import type { Accumulator } from './accumulator';
import type { Concerned } from './configuration';
import type { Plan } from './plan';
import type { Taken } from '../state/accumulated';
import type { CheckedLeaf } from '../tree/leaf';
import { describe, type Talk } from '../distributed/talk';
import { World } from './world';

/** What a step is called with, as ranks compare it. */
export interface StepSays {
  readonly step: number;
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
  #lines: readonly string[] = [];
  #hasAgreedOnFlushing = false;

  constructor(world: World, concerned: Concerned, accumulator: Accumulator) {
    this.world = world;
    this.#concerned = concerned;
    this.#accumulator = accumulator;
    this.#talk = World.talkOf(world);
    this.#number = this.#talk.addOptimizer();
  }

  /**
   * Throws what the call deserves; then nothing has changed. Else adds the gradients to the sums, which the plan steps, and
   * refuses other exchanges until `end`.
   */
  plan(parameters: unknown, gradients: unknown): Plan {
    const { planner } = this.#concerned;
    this.#talk.begin('updateAsync');
    try {
      // Refuses what does not fit before anything is added.
      this.#lines = planner.plan(parameters, gradients, true).lines;
      if (gradients !== undefined) this.#accumulator.add(gradients);
      return planner.plan(parameters, undefined, true);
    } catch (error) {
      this.#talk.end();
      throw error;
    }
  }

  /** The step is over. */
  end(): void {
    this.#talk.end();
  }

  /** Replaces the sums by those over all ranks. Rejects with code `world-mismatch` on all ranks if they differ. */
  async sum({ count, slots }: Taken, says: StepSays): Promise<void> {
    await this.#agreeOnFlushing();
    const { state, runner } = this.#concerned;
    const leaves = slots.map((slot) => slot.get('accumulated') as CheckedLeaf);
    const { hyperparameters, around, groups, masterWeights } = state;
    const options = { ...around, masterWeights, hyperparameters: groups.all(hyperparameters) };
    const lines = [
      `optimizer ${String(this.#number)}`,
      `step ${String(says.step)}`,
      `gradients ${String(count)}`,
      `options ${JSON.stringify({ ...options, ...says }, numbers)}`,
      ...this.#lines,
      ...leaves.map(describe),
    ];
    const how = { flushSubnormals: runner.flushesSubnormals, divisor: 1 };
    await this.#talk.sum('updateAsync', lines, leaves, how);
  }

  /** If any rank flushes float32 subnormals, since it has a GPU, all do: else bits would differ. */
  async #agreeOnFlushing(): Promise<void> {
    if (this.#hasAgreedOnFlushing) return;
    const { runner } = this.#concerned;
    const all = await this.#talk.texts('subnormals', String(runner.flushesSubnormals));
    if (all.includes('true')) {
      runner.flush();
      this.#accumulator.flush();
    }
    this.#hasAgreedOnFlushing = true;
  }

  /** Runs `save` on rank 0; the path of its file. The others wait. */
  write(save: () => Promise<string>): Promise<string> {
    return this.#talk.exclusive('save', async () => {
      const [own] = await Promise.allSettled([this.world.rank === 0 ? save() : Promise.resolve('')]);
      const [told] = await this.#talk.texts('save', own.status === 'fulfilled' ? own.value : '');
      if (own.status === 'rejected') throw own.reason;
      if (told === '') throw coded(Error, 'aborted', 'save: rank 0 could not write the file, and says why');
      return told;
    });
  }

  /** Runs `load` on all ranks, which compare what they have then. */
  load<T>(load: () => Promise<T>, digest: () => string): Promise<T> {
    return this.#talk.exclusive('load', async () => {
      const [own] = await Promise.allSettled([load()]);
      const told = await this.#talk.texts('load', own.status === 'fulfilled' ? digest() : '');
      if (own.status === 'rejected') throw own.reason;
      const other = told.findIndex((one) => one !== told[this.world.rank]);
      if (other < 0) return own.value;
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
