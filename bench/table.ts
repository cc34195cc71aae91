// The table: a line for each contestant of each case.
import { labelOf } from './contestant';
import type { Measurement, Series } from './measure';
import { pairedRatios, summarize } from './statistics';

/** Of the table's columns. */
export const HEADER = [
  'case',
  'contestant',
  'per step',
  '(quartiles)',
  'B/element',
  'GB/s',
  'speed / C',
  '(quartiles)',
];
const LEFT_ALIGNED = 2;

/** Medians; speeds are medians over pairs of samples that were taken one after the other. */
export function tableOf(measurements: readonly Measurement[]): string {
  return alignedTable([HEADER, ...measurements.flatMap(rowsOf)], LEFT_ALIGNED);
}

/** Columns of a common width, the first ones aligned to the left. */
export function alignedTable(rows: readonly (readonly string[])[], left: number): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const [header, ...lines] = rows.map((row) =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  const width = widths.reduce((sum, one) => sum + one + 2, -2);
  return [header, '-'.repeat(width), ...lines].join('\n');
}

function rowsOf({ given, series }: Measurement): string[][] {
  return series
    .filter(({ contestant }) => sampled(series, contestant))
    .map((one, i) => [i === 0 ? labelOf(given) : '', ...rowOf(series, one, given.model.total)]);
}

/** One of the series that were measured together, which has samples: `HEADER` without the case. */
export function rowOf(series: readonly Series[], one: Series, elements: number): string[] {
  return [one.contestant, ...timeAndRate(one, elements), ...speedOver(sampled(series, 'C'), one)];
}

/** Other packages, as against the machine's baseline and this package itself. */
export function isPeer(contestant: string): boolean {
  return !contestant.startsWith('metal-sgd') && !['C', 'triad', 'JavaScript'].includes(contestant);
}

/** A contestant's series, if it has any samples. */
export function sampled(series: readonly Series[], name: string): Series | undefined {
  return series.find(({ contestant, samples }) => contestant === name && samples.some((sample) => sample !== null));
}

/** A contestant that computed something else than the others is marked. */
function timeAndRate({ agrees, samples, bytes }: Series, elements: number): string[] {
  const { median, low, high } = summarize(samples);
  const spread = `(${duration(low)} to ${duration(high)})`;
  return [
    `${agrees ? '' : 'WRONG '}${duration(median)}`,
    spread,
    String(Math.round(bytes / elements)),
    (bytes / median).toFixed(1),
  ];
}

/** Of the triad, which does other work, the speed is that by bytes. */
function speedOver(c: Series | undefined, { samples, bytes }: Series): [string, string] {
  const ratios = c ? pairedRatios(c.samples, samples) : [];
  if (!c || ratios.length === 0) return ['', ''];
  const byBytes = bytes / c.bytes;
  const { median, low, high } = summarize(ratios);
  return [(median * byBytes).toFixed(3), `(${(low * byBytes).toFixed(3)} to ${(high * byBytes).toFixed(3)})`];
}

/** Nanoseconds in a unit that suits them. */
export function duration(nanoseconds: number): string {
  return nanoseconds >= 1e6 ? `${(nanoseconds / 1e6).toFixed(2)} ms` : `${(nanoseconds / 1e3).toFixed(2)} us`;
}
