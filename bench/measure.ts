// Measures several cases, each by all contestants, in turn: A B C A B C ..., so that what the machine does meanwhile
// meets all alike.
import { setImmediate as nextTick } from 'node:timers/promises';
import { agree } from './agreement';
import { type Case, type Contestant, labelOf, type Outcome, type Runner } from './contestant';

export interface Effort {
  /** Samples of each contestant. */
  readonly rounds: number;
  /** How often memory is taken anew in between: which pages an array gets makes some per cent of difference. */
  readonly openings: number;
  /** Nanoseconds that one sample should take. */
  readonly sample: number;
  /** Nanoseconds that the samples of one contestant may take in all; it sits out rounds if need be. */
  readonly budget: number;
}

/** What one contestant took for one case. */
export interface Series {
  readonly contestant: string;
  /** False if it computed something else than the first contestant, which is the package. */
  agrees: boolean;
  /** Steps in each sample. */
  steps: number;
  /** Nanoseconds per step in each round; null where it sat out. */
  readonly samples: (number | null)[];
}

export interface Measurement {
  readonly given: Case;
  readonly series: readonly Series[];
}

interface Entry {
  readonly runner: Runner;
  readonly series: Series;
  readonly rounds: number;
}

type Tell = (doing: string, round: number) => void;

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
  tell: Tell,
): Promise<void> {
  const newSeries = ({ name }: Contestant): Series => ({ contestant: name, agrees: true, steps: 0, samples: [] });
  const measurements = cases.map((given) => ({ given, series: contestants.map(newSeries) }));
  into.push(...measurements);
  const { rounds, openings } = effort;
  for (let opening = 0; opening < openings && !signal.aborted; opening++) {
    globalThis.gc?.(); // the last one's memory
    const first = Math.floor((opening * rounds) / openings);
    const end = Math.floor(((opening + 1) * rounds) / openings);
    await measureOpening(measurements, contestants, effort, { first, end }, signal, tell);
  }
}

/** Opens all cases for all and runs the rounds from `first` to before `end`. */
async function measureOpening(
  measurements: readonly Measurement[],
  contestants: readonly Contestant[],
  effort: Effort,
  { first, end }: { first: number; end: number },
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const opened: Runner[] = [];
  try {
    const entries: Entry[] = [];
    for (const measurement of measurements) {
      tell(labelOf(measurement.given), first);
      await nextTick(); // lets Ctrl-C through
      if (signal.aborted) return;
      entries.push(...(await prepare(measurement, contestants, effort, opened)));
    }
    for (let round = first; round < end && !signal.aborted; round++) {
      tell(measurements.map(({ given }) => given.work.name).join(' + '), round);
      await nextTick();
      for (const { runner, series, rounds } of entries) {
        const takesPart = round < first + rounds;
        series.samples.push(takesPart ? (await runner.time(series.steps)) / series.steps : null);
      }
    }
  } finally {
    for (const runner of opened) await runner.close();
  }
}

/** Opens a case for all, compares what they compute, and finds how many steps make a sample. */
async function prepare(
  { given, series: all }: Measurement,
  contestants: readonly Contestant[],
  { rounds, openings, sample, budget }: Effort,
  opened: Runner[],
): Promise<Entry[]> {
  const entries: Entry[] = [];
  let reference: Outcome | undefined;
  for (const [i, contestant] of contestants.entries()) {
    const runner = await contestant.open(given);
    opened.push(runner);
    await runner.time(CHECKED_STEPS);
    const outcome = await runner.outcome();
    reference ??= outcome;
    const series = all[i];
    series.agrees &&= agree(reference, outcome, given.dtype);
    const took = await warmUp(runner, sample);
    if (series.steps === 0) series.steps = stepsFor(sample, took);
    const affordable = Math.max(1, Math.floor(budget / openings / (series.steps * took)));
    entries.push({ runner, series, rounds: Math.min(Math.ceil(rounds / openings), affordable) });
  }
  return entries;
}

/** Nanoseconds of a step, once caches and compilers are warm. */
async function warmUp(runner: Runner, sample: number): Promise<number> {
  let took = (await runner.time(1)) || 1;
  for (let i = 0; i < 3; i++) {
    const steps = stepsFor(sample, took);
    took = ((await runner.time(steps)) || 1) / steps;
  }
  return took;
}

const stepsFor = (sample: number, took: number): number => Math.min(MOST_STEPS, Math.max(1, Math.round(sample / took)));
