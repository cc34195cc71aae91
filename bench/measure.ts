// Measures several cases, each by all contestants, in turn: A B C A B C ..., so that what the machine does meanwhile
// meets all alike.
import { setImmediate as nextTick } from 'node:timers/promises';
import { agree } from './agreement';
import { type Case, type Contestant, labelOf, type Outcome, type Runner } from './contestant';

export interface Effort {
  readonly rounds: number;
  /** Nanoseconds that one sample should take. */
  readonly sample: number;
  /** Nanoseconds that the samples of one contestant may take in all; at least 3 are taken. */
  readonly budget: number;
}

/** What one contestant took for one case. */
export interface Series {
  readonly contestant: string;
  /** False if it computed something else than the first contestant, which is the package. */
  readonly agrees: boolean;
  /** Steps in each sample. */
  readonly steps: number;
  /** Nanoseconds per step, one for each round in which it took part: the first ones. */
  readonly samples: number[];
}

export interface Measurement {
  readonly given: Case;
  readonly series: Series[];
}

interface Entry {
  readonly runner: Runner;
  readonly series: Series;
  readonly rounds: number;
}

const CHECKED_STEPS = 3;
const MOST_STEPS = 5000; // beyond, parameters would settle and velocities become subnormal

/**
 * Measures `cases` together. What was measured is in `into`, also if `signal` ends it early.
 *
 * @param tell Is called with what is being done and how many of the rounds are done.
 */
export async function measure(
  cases: readonly Case[],
  contestants: readonly Contestant[],
  effort: Effort,
  into: Measurement[],
  signal: AbortSignal,
  tell: (doing: string, round: number) => void,
): Promise<void> {
  const opened: Runner[] = [];
  try {
    const entries: Entry[] = [];
    for (const given of cases) {
      tell(labelOf(given), 0);
      await nextTick(); // lets Ctrl-C through
      if (signal.aborted) return;
      const own = await prepare(given, contestants, effort, opened);
      entries.push(...own);
      into.push({ given, series: own.map(({ series }) => series) });
    }
    for (let round = 0; round < effort.rounds && !signal.aborted; round++) {
      tell(cases.map(({ work }) => work.name).join(' + '), round);
      await nextTick(); // lets Ctrl-C through
      for (const { runner, series, rounds } of entries) {
        if (round < rounds) series.samples.push((await runner.time(series.steps)) / series.steps);
      }
    }
  } finally {
    for (const runner of opened) await runner.close();
  }
}

/** Opens a case for all, compares what they compute, and finds how many steps make a sample. */
async function prepare(
  given: Case,
  contestants: readonly Contestant[],
  { rounds, sample, budget }: Effort,
  opened: Runner[],
): Promise<Entry[]> {
  const ready: { name: string; runner: Runner; outcome: Outcome; took: number }[] = [];
  for (const contestant of contestants) {
    const runner = await contestant.open(given);
    opened.push(runner);
    await runner.time(CHECKED_STEPS);
    const outcome = await runner.outcome();
    ready.push({ name: contestant.name, runner, outcome, took: await warmUp(runner, sample) });
  }
  const [first] = ready;
  return ready.map(({ name, runner, outcome, took }) => {
    const steps = Math.min(MOST_STEPS, Math.max(1, Math.round(sample / took)));
    const affordable = Math.max(3, Math.floor(budget / (steps * took)));
    const agrees = agree(first.outcome, outcome, given.dtype);
    return { runner, rounds: Math.min(rounds, affordable), series: { contestant: name, agrees, steps, samples: [] } };
  });
}

/** Nanoseconds of a step, once caches and compilers are warm. */
async function warmUp(runner: Runner, sample: number): Promise<number> {
  let took = (await runner.time(1)) || 1;
  for (let i = 0; i < 3; i++) {
    const steps = Math.min(MOST_STEPS, Math.max(1, Math.round(sample / took)));
    took = ((await runner.time(steps)) || 1) / steps;
  }
  return took;
}
