// What differs between two runs beyond noise.
import type { Series } from './measure';
import { figure, type Metric } from './metrics';
import type { Result, Results } from './results';
import { pairedRatios, type Sample, summarize } from './statistics';
import { alignedTable, sampled } from './table';

/** Smaller changes than this are no change, however sure. */
const LEAST = 0.02;
const RESAMPLES = 1000;
const CONFIDENCE = 0.99;

interface Change {
  readonly what: string;
  readonly before: string;
  readonly after: string;
  /** New over old, with its bounds. */
  readonly ratio: readonly [low: number, middle: number, high: number];
}

/** Times relative to C's in the same run where both have it, since the machine itself differs from run to run. */
export function comparison(old: Results, new_: Results): string {
  const pairs = new_.results.flatMap((after) => {
    const before = old.results.find((one) => keyOf(one) === keyOf(after));
    return before ? after.series.flatMap((series) => changeOf(before, after, series)) : [];
  });
  const figures = new_.metrics.flatMap((after) => {
    const before = old.metrics.find((one) => one.part === after.part && one.name === after.name);
    return before ? figureChange(before, after) : [];
  });
  const compared = [...pairs, ...figures];
  const changes = compared.filter(
    ({ ratio: [low, middle, high] }) => (low > 1 || high < 1) && Math.abs(middle - 1) >= LEAST,
  );
  const head = `compared with ${old.date}, commit ${old.commit ?? 'unknown'}: ${String(compared.length)} figures`;
  if (old.machine.cpu !== new_.machine.cpu) return `${head}; another machine (${old.machine.cpu})\n${tableOf(changes)}`;
  return `${head}\n${tableOf(changes)}`;
}

function tableOf(changes: readonly Change[]): string {
  if (changes.length === 0) return 'nothing changed beyond noise';
  const rows = changes.map(({ what, before, after, ratio }) => {
    const [low, middle, high] = ratio.map((one) => `${one >= 1 ? '+' : ''}${((one - 1) * 100).toFixed(1)} %`);
    return [what, before, after, middle, `(${low} to ${high})`];
  });
  return alignedTable([['changed', 'old', 'new', 'change', '(99 % sure)'], ...rows], 1);
}

const keyOf = ({ model, dtype, rule, threads }: Result): string => [model, dtype, rule.name, threads].join(' ');

function changeOf(before: Result, after: Result, { contestant, samples }: Series): Change[] {
  const old = sampled(before.series, contestant);
  if (!old || !samples.some((sample) => sample !== null)) return [];
  const [oldC, newC] = [sampled(before.series, 'C'), sampled(after.series, 'C')];
  const isRelative = oldC !== undefined && newC !== undefined && contestant !== 'C';
  const [from, to] = isRelative
    ? [pairedRatios(old.samples, oldC.samples), pairedRatios(samples, newC.samples)]
    : [old.samples, samples].map((all) => all.filter((sample): sample is number => sample !== null));
  if (from.length === 0 || to.length === 0) return [];
  const show = (all: readonly Sample[]): string =>
    isRelative ? `${summarize(all).median.toFixed(3)} x C` : `${figure(summarize(all).median / 1000)} us`;
  return [
    { what: `${keyOf(after)}: ${contestant}`, before: show(from), after: show(to), ratio: ratioOfMedians(from, to) },
  ];
}

/** Counts change as soon as they differ, medians beyond their quartiles; of other figures nobody knows the noise. */
function figureChange(before: Metric, after: Metric): Change[] {
  if (!after.isExact && after.low === undefined) return [];
  if (before.value === 0 || !Number.isFinite(before.value) || !Number.isFinite(after.value)) return [];
  const what = `${after.part}: ${after.name}`;
  const middle = after.value / before.value;
  const [low, high] = [
    (after.low ?? after.value) / (before.high ?? before.value),
    (after.high ?? after.value) / (before.low ?? before.value),
  ];
  return [
    {
      what,
      before: `${figure(before.value)} ${before.unit}`,
      after: `${figure(after.value)} ${after.unit}`,
      ratio: [low, middle, high],
    },
  ];
}

/** The ratio of medians and, by drawing samples again and again, between which bounds it lies. */
export function ratioOfMedians(from: readonly number[], to: readonly number[]): Change['ratio'] {
  const random = randomNumbers(from.length * 65537 + to.length);
  const drawn = (samples: readonly number[]): number =>
    summarize(samples.map(() => samples[Math.floor(random() * samples.length)])).median;
  const ratios = Array.from({ length: RESAMPLES }, () => drawn(to) / drawn(from)).sort((a, b) => a - b);
  const at = (share: number): number => ratios[Math.round(share * (RESAMPLES - 1))];
  const tail = (1 - CONFIDENCE) / 2;
  return [at(tail), summarize(to).median / summarize(from).median, at(1 - tail)];
}

/** The same numbers from 0 to 1 for the same seed, so that the same files always compare alike (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
