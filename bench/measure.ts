// Measures several cases, each by all contestants, in turn: A B C A B C ..., so that what the machine does meanwhile
// meets all alike.
import { setImmediate as nextTick } from 'node:timers/promises';
import { agree, NORM_SLACK } from './agreement';
import { type Case, type Contestant, labelOf, type Outcome, type Runner, trafficOf } from './contestant';

export interface Effort {
  /** Samples of each contestant. */
  readonly rounds: number;
  /** How often memory is taken anew in between: which pages an array gets makes some per cent of difference. */
  readonly openings: number;
  /** Nanoseconds that one sample should take. */
  readonly sample: number;
  /** Nanoseconds that the samples of one contestant may take in all; it sits out rounds if need be. */
  readonly budget: number;
  /** Steps in one sample at most. */
  readonly mostSteps: number;
}

/** What one contestant took for one case. */
export interface Series {
  readonly contestant: string;
  /** False if it computed something else than the first contestant, which is the package. */
  agrees: boolean;
  /** Steps in each sample. */
  steps: number;
  /** Bytes that one step moves. */
  readonly bytes: number;
  /** Nanoseconds per step in each round; null where it sat out. */
  readonly samples: (number | null)[];
}

export interface Measurement {
  readonly given: Case;
  readonly series: Series[];
}

/** Who is told what: of progress, and of what goes wrong. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly complain: (line: string) => void;
  /** Is told why a contestant takes no part in a case. */
  readonly refused: (contestant: string, reason: string, label: string) => void;
  /** Is called with what is being done and how many of the rounds are done. */
  readonly tell: (doing: string, round: number) => void;
}

interface Entry {
  readonly runner: Runner;
  readonly series: Series;
  readonly rounds: number;
}

const CHECKED_STEPS = 3;

/** Measures `cases` together. What was measured is in `into`, also if the signal ends it early. */
export async function measure(
  cases: readonly Case[],
  contestants: readonly Contestant[],
  effort: Effort,
  into: Measurement[],
  watch: Watch,
): Promise<void> {
  const measurements = cases.map((given): Measurement => ({ given, series: [] }));
  into.push(...measurements);
  const { rounds, openings } = effort;
  for (let opening = 0; opening < openings && !watch.signal.aborted; opening++) {
    globalThis.gc?.(); // the last one's memory
    const first = Math.floor((opening * rounds) / openings);
    const end = Math.floor(((opening + 1) * rounds) / openings);
    await measureOpening(measurements, contestants, effort, { first, end }, watch);
  }
}

/** Opens all cases for all and runs the rounds from `first` to before `end`. */
async function measureOpening(
  measurements: readonly Measurement[],
  contestants: readonly Contestant[],
  effort: Effort,
  { first, end }: { first: number; end: number },
  { signal, refused, tell }: Watch,
): Promise<void> {
  const opened: Runner[] = [];
  try {
    const entries: Entry[] = [];
    for (const measurement of measurements) {
      const reference: { outcome?: Outcome } = {};
      for (const contestant of contestants) {
        tell(`${labelOf(measurement.given)}: ${contestant.name}`, first);
        await nextTick(); // lets Ctrl-C through
        if (signal.aborted) return;
        const runner = await contestant.open(measurement.given);
        if (typeof runner === 'string') {
          refused(contestant.name, runner, labelOf(measurement.given));
          continue;
        }
        opened.push(runner);
        const entry = await prepare(measurement, contestant, runner, effort, reference);
        if (entry) entries.push(entry);
      }
    }
    for (let round = first; round < end && !signal.aborted; round++) {
      tell(measurements.map(({ given }) => given.model.name).join(' + '), round);
      await nextTick();
      for (const { runner, series, rounds } of entries) {
        const took = round < first + rounds ? await sample(runner, series.steps) : null;
        series.samples[round] = took === null ? null : took / series.steps;
      }
    }
  } finally {
    for (const runner of opened) await runner.close();
  }
}

/** Nanoseconds of so many steps. One goes before untimed: caches are full of what another contestant left there. */
async function sample(runner: Runner, steps: number): Promise<number | null> {
  if (steps > 1 && (await runner.time(1)) === null) return null;
  return await runner.time(steps);
}

/** Checks what a contestant computes, warms it up and finds how many steps make a sample; undefined if it can't. */
async function prepare(
  { given, series: all }: Measurement,
  contestant: Contestant,
  runner: Runner,
  effort: Effort,
  reference: { outcome?: Outcome },
): Promise<Entry | undefined> {
  if ((await runner.time(CHECKED_STEPS)) === null) return undefined;
  const outcome = await runner.outcome();
  reference.outcome ??= outcome;
  const { rounds, openings, budget } = effort;
  const took = await warmUp(runner, effort);
  if (took === null) return undefined;
  let series = all.find(({ contestant: name }) => name === contestant.name);
  if (!series) {
    const bytes = contestant.traffic?.(given) ?? trafficOf(given);
    const samples = Array.from({ length: rounds }, () => null);
    series = { contestant: contestant.name, agrees: true, steps: stepsFor(effort, took), bytes, samples };
    all.push(series);
  }
  const slack = given.rule.maxNorm === undefined ? 0 : NORM_SLACK;
  series.agrees &&= agree(reference.outcome, outcome, given.dtype, slack);
  const affordable = Math.max(1, Math.floor(budget / openings / (series.steps * took)));
  return { runner, series, rounds: Math.min(Math.ceil(rounds / openings), affordable) };
}

/** Nanoseconds of a step, once caches and compilers are warm; null if the runner can't do any. */
async function warmUp(runner: Runner, effort: Effort): Promise<number | null> {
  let took = await runner.time(1);
  for (let i = 0; i < 3 && took !== null && took < effort.budget / 5; i++) {
    const steps = stepsFor(effort, took);
    const all = await runner.time(steps);
    took = all === null ? null : all / steps;
  }
  return took;
}

const stepsFor = ({ sample, mostSteps }: Effort, took: number): number =>
  Math.min(mostSteps, Math.max(1, Math.round(sample / Math.max(1, took))));
