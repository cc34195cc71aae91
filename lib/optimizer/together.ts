// The steps of one optimizer on all processes of a world: gradients are summed here, then over the ranks, and every rank takes
// the same step.
import { coded } from '../errors';
import type { Accumulator } from './accumulator';
import type { Concerned } from './configuration';
import type { Plan } from './plan';
import type { Taken } from '../state/accumulated';
import { bufferOf, byteLengthOf, type CheckedLeaf, offsetOf } from '../tree/leaf';
import { describe, type Summed } from '../distributed/talk';
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
  #hasAgreedOnFlushing = false;

  constructor(world: World, concerned: Concerned, accumulator: Accumulator) {
    this.world = world;
    this.#concerned = concerned;
    this.#accumulator = accumulator;
  }

  /** Throws what the call deserves; then nothing has changed. Else adds the gradients to the sums, which the plan steps. */
  plan(parameters: unknown, gradients: unknown): Plan {
    const { planner, queue, state } = this.#concerned;
    if (queue.steps > 0) {
      const text = 'a step of the world is still pending; await it first: the next one uses the same sums';
      throw coded(Error, 'busy', `updateAsync: ${text}`);
    }
    planner.plan(parameters, gradients, true);
    if (gradients !== undefined) this.#accumulator.add(gradients);
    try {
      return planner.plan(parameters, undefined, true);
    } catch (error) {
      state.accumulated.clear();
      throw error;
    }
  }

  /** Replaces the sums by those over all ranks. Rejects with code `world-mismatch` on all ranks if they differ. */
  async sum({ count, slots }: Taken, says: StepSays): Promise<void> {
    await this.#agreeOnFlushing();
    const { state, runner } = this.#concerned;
    const leaves = slots.map((slot) => slot.get('accumulated') as CheckedLeaf);
    const { hyperparameters, around, groups, masterWeights } = state;
    const options = { ...around, masterWeights, hyperparameters: groups.all(hyperparameters) };
    const lines = [
      `step ${String(says.step)}`,
      `gradients ${String(count)}`,
      `options ${JSON.stringify({ ...options, ...says }, numbers)}`,
      ...leaves.map(describe),
    ];
    await World.talkOf(this.world).sum('updateAsync', lines, joined(leaves), {
      flushSubnormals: runner.flushesSubnormals,
      divisor: 1,
    });
  }

  /** If any rank flushes float32 subnormals, since it has a GPU, all do: else bits would differ. */
  async #agreeOnFlushing(): Promise<void> {
    if (this.#hasAgreedOnFlushing) return;
    const { runner } = this.#concerned;
    const all = await World.talkOf(this.world).texts('subnormals', String(runner.flushesSubnormals));
    if (all.includes('true')) {
      runner.flush();
      this.#accumulator.flush();
    }
    this.#hasAgreedOnFlushing = true;
  }

  /** The path of the file that rank 0 writes; the others wait for it. */
  async write(save: () => Promise<string>): Promise<string> {
    const { rank } = this.world;
    const talk = World.talkOf(this.world);
    const own =
      rank === 0
        ? await save().then(
            (path) => ({ path }),
            (error: unknown) => ({ error }),
          )
        : undefined;
    const failed = own && 'error' in own;
    const [told] = await talk.texts('save', failed ? '' : (own?.path ?? ''));
    if (failed) throw own.error;
    if (told === '') throw coded(Error, 'aborted', 'save: rank 0 could not write the file, and says why');
    return told;
  }

  /** Throws with code `world-mismatch` unless all ranks have loaded the same. */
  async agreeOnLoad(digest: string): Promise<void> {
    await World.talkOf(this.world).agree('load', [`contents ${digest}`]);
  }
}

/** JSON has no infinities. */
const numbers = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value)
    ? String(value)
    : typeof value === 'function'
      ? 'function'
      : value;

/** Bytes between two leaves of an arena, at most: padding, which is zero. */
const MOST_PADDING = 128;

/** Leaves that lie side by side are summed at once. */
function joined(leaves: readonly CheckedLeaf[]): Summed[] {
  const places = leaves
    .filter(({ length }) => length > 0)
    .map((leaf) => ({
      leaf,
      buffer: bufferOf(leaf.data),
      begin: offsetOf(leaf.data),
      end: offsetOf(leaf.data) + byteLengthOf(leaf),
    }));
  const runs: { buffer: ArrayBufferLike; begin: number; end: number; dtype: CheckedLeaf['dtype'] }[] = [];
  for (const { leaf, buffer, begin, end } of places) {
    const last = runs.at(-1);
    const isNext =
      last?.buffer === buffer && last.dtype === leaf.dtype && begin >= last.end && begin - last.end <= MOST_PADDING;
    if (isNext) last.end = end;
    else runs.push({ buffer, begin, end, dtype: leaf.dtype });
  }
  return runs.map(({ buffer, begin, end, dtype }): Summed => {
    const Elements = dtype === 'float64' ? Float64Array : Float32Array;
    return { data: new Elements(buffer as ArrayBuffer, begin, (end - begin) / Elements.BYTES_PER_ELEMENT), dtype };
  });
}
