// Single figures that a run found, beside the times of its cases.
import { type Case, labelOf } from './contestant';
import { type Sample, summarize } from './statistics';

export interface Goal {
  readonly relation: 'at least' | 'at most';
  readonly value: number;
}

export interface Metric {
  /** The part of the suite that found it. */
  readonly part: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Quartiles, where it is a median. */
  readonly low?: number;
  readonly high?: number;
  /** True for what is counted: the same again as long as nothing changes. */
  readonly isExact?: boolean;
  readonly goal?: Goal;
  /** Where it was found, or what else is to be known. */
  readonly note?: string;
  /** Its place where the report has one table for the part instead of a line for each figure. */
  readonly cell?: { readonly row: string; readonly column: string };
}

export const atLeast = (value: number): Goal => ({ relation: 'at least', value });
export const atMost = (value: number): Goal => ({ relation: 'at most', value });

/** The median of samples with its quartiles. */
export function medianMetric(about: Omit<Metric, 'value' | 'low' | 'high'>, samples: readonly Sample[]): Metric {
  const { median, low, high } = summarize(samples);
  return { ...about, value: median, low, high };
}

export interface Judged {
  readonly given: Case;
  readonly value: number;
}

/** The worst of several values as one metric; none of none. */
export function worstMetric(
  about: Omit<Metric, 'value' | 'note'> & { goal: Goal },
  judged: readonly Judged[],
): Metric[] {
  const sign = about.goal.relation === 'at least' ? 1 : -1;
  const worst = [...judged].sort((a, b) => sign * (a.value - b.value)).at(0);
  return worst ? [{ ...about, value: worst.value, note: labelOf(worst.given) }] : [];
}

/** Undefined without a goal. */
export function isReached({ value, goal }: Metric): boolean | undefined {
  if (!goal) return undefined;
  return goal.relation === 'at least' ? value >= goal.value : value <= goal.value;
}

/** One line. */
export function metricLine(metric: Metric): string {
  const { name, value, unit, low, high, goal, note } = metric;
  const spread = low === undefined || high === undefined ? '' : ` (${figure(low)} to ${figure(high)})`;
  const where = note === undefined ? '' : `, ${note}`;
  const verdict = goal ? `; ${goal.relation} ${String(goal.value)}: ${isReached(metric) ? 'reached' : 'MISSED'}` : '';
  return `${name}: ${figure(value)}${unit === '' ? '' : ` ${unit}`}${spread}${where}${verdict}`;
}

/** Three digits, without an exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3);
}
