// The table: one line for each case.
import { labelOf, trafficOf } from './contestant';
import type { Measurement, Series } from './measure';
import { pairedRatios, summarize } from './statistics';

const HEADER = ['case', 'C', 'GB/s', 'metal-sgd', 'GB/s', 'speed / C', '(quartiles)', 'JavaScript', 'x slower'];

/** Medians; ratios are medians of pairs of samples that were taken one after the other. */
export function tableOf(measurements: readonly Measurement[]): string {
  const rows = [HEADER, ...measurements.map(rowOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '),
  );
  return [lines[0], '-'.repeat(lines[0].length), ...lines.slice(1)].join('\n');
}

function rowOf({ given, series }: Measurement): string[] {
  const of = (name: string): Series | undefined => sampled(series, name);
  const [c, own, plain] = [of('C'), of('metal-sgd'), of('JavaScript')];
  const bytes = trafficOf(given);
  const speed = c && own ? summarize(pairedRatios(c.samples, own.samples)) : undefined;
  const slower = plain && own ? summarize(pairedRatios(plain.samples, own.samples)) : undefined;
  return [
    labelOf(given),
    ...timeAndRate(c, bytes),
    ...timeAndRate(own, bytes),
    speed ? speed.median.toFixed(3) : '',
    speed ? `(${speed.low.toFixed(3)} to ${speed.high.toFixed(3)})` : '',
    timeAndRate(plain, bytes)[0],
    slower ? slower.median.toFixed(1) : '',
  ];
}

/** A contestant's series, if it has any samples. */
export function sampled(series: readonly Series[], name: string): Series | undefined {
  return series.find(({ contestant, samples }) => contestant === name && samples.some((sample) => sample !== null));
}

/** A contestant that computed something else than the others is marked. */
function timeAndRate(series: Series | undefined, bytes: number): [string, string] {
  if (!series) return ['', ''];
  const { median } = summarize(series.samples);
  return [`${series.agrees ? '' : 'WRONG '}${duration(median)}`, (bytes / median).toFixed(1)];
}

/** Nanoseconds in a unit that suits them. */
export function duration(nanoseconds: number): string {
  return nanoseconds >= 1e6 ? `${(nanoseconds / 1e6).toFixed(2)} ms` : `${(nanoseconds / 1e3).toFixed(2)} us`;
}
