// What the package is to reach, and what it did in this run.
import { type Case, labelOf } from './contestant';
import type { Measurement } from './measure';
import { pairedDifferences, pairedRatios, summarize } from './statistics';
import { sampled } from './table';

/** One line for each goal that this run can tell something about. */
export function goalLines(measurements: readonly Measurement[]): string[] {
  return [speedOnLarge(measurements), fixedCost(measurements), costOfLeaves(measurements)].filter(
    (line) => line !== '',
  );
}

interface Judged {
  readonly given: Case;
  readonly value: number;
}

function speedOnLarge(measurements: readonly Measurement[]): string {
  const worst = worstOf(measurements, ({ given, series }) => {
    const [c, own] = [sampled(series, 'C'), sampled(series, 'metal-sgd')];
    // The lowest speed is the highest inverse.
    return given.work.group === 'large' && c && own ? median(pairedRatios(own.samples, c.samples)) : undefined;
  });
  return worst ? line('large works, speed relative to C', 1 / worst.value, 'at least', 0.9, worst.given) : '';
}

function fixedCost(measurements: readonly Measurement[]): string {
  const worst = worstOf(measurements, ({ given, series }) => {
    const [c, own] = [sampled(series, 'C'), sampled(series, 'metal-sgd')];
    if (given.work.name !== 'mlp' || given.threads !== 1 || !c || !own) return undefined;
    return median(pairedDifferences(own.samples, c.samples)) / 1000;
  });
  return worst ? line('mlp, one thread, microseconds above C', worst.value, 'at most', 5, worst.given) : '';
}

function costOfLeaves(measurements: readonly Measurement[]): string {
  const worst = worstOf(measurements, ({ given, series }) => {
    if (given.work.name !== 'resnet50') return undefined;
    const whole = measurements.find(
      ({ given: { work, dtype, rule, threads } }) =>
        work.name === 'leaf-25.6m' && dtype === given.dtype && rule === given.rule && threads === given.threads,
    );
    const [many, one] = [sampled(series, 'metal-sgd'), whole && sampled(whole.series, 'metal-sgd')];
    return many && one ? median(pairedRatios(many.samples, one.samples)) : undefined;
  });
  return worst ? line('161 leaves, time relative to one leaf', worst.value, 'at most', 1.05, worst.given) : '';
}

function worstOf(
  measurements: readonly Measurement[],
  judge: (measurement: Measurement) => number | undefined,
): Judged | undefined {
  const judged = measurements.flatMap((measurement): Judged[] => {
    const value = judge(measurement);
    return value === undefined ? [] : [{ given: measurement.given, value }];
  });
  return judged.sort((a, b) => b.value - a.value).at(0);
}

const median = (samples: readonly number[]): number => summarize(samples).median;

function line(what: string, value: number, relation: 'at least' | 'at most', goal: number, given: Case): string {
  const reached = relation === 'at least' ? value >= goal : value <= goal;
  const verdict = `${relation} ${String(goal)}: ${reached ? 'reached' : 'MISSED'}`;
  return `${what}: ${value.toFixed(2)} at worst (${labelOf(given)}); ${verdict}`;
}
