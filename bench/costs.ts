// What a step costs beside its elements, from the times of small models of several sizes.
import { fitLine, type Line } from './fit';
import type { Measurement } from './measure';
import type { Metric } from './metrics';
import { summarize } from './statistics';
import { sampled } from './table';

/** Elements of single leaves, and numbers of leaves of 64 elements, that are fitted. */
export const FITTED_SIZES = [16, 64, 256, 1024, 4096, 16384];
export const FITTED_LEAVES = [1, 10, 100, 1000, 10_000];

/** Of measurements of one dtype, rule and number of threads. */
export function costMetrics(measurements: readonly Measurement[]): Metric[] {
  const [sizes, lists] = ['leaf', 'list'].map((kind) =>
    measurements.filter(({ given }) => given.model.name.startsWith(kind)),
  );
  return [
    ...cost('fixed cost of update', sizes, 'metal-sgd', 'fixed'),
    ...cost('fixed cost of the C loop', sizes, 'C', 'fixed'),
    ...cost('an element, metal-sgd', sizes, 'metal-sgd', 'each'),
    ...['metal-sgd', 'metal-sgd shared', 'C'].flatMap((name) => cost(`a leaf of 64, ${name}`, lists, name, 'each')),
  ];
}

/** From the medians, and from the quartiles for its bounds. */
function cost(name: string, measurements: readonly Measurement[], contestant: string, what: keyof Line): Metric[] {
  const taken = measurements.flatMap(({ given: { model }, series }) => {
    const found = sampled(series, contestant);
    const count = model.name.startsWith('list') ? model.counts.length : model.total;
    return found ? [{ count, ...summarize(found.samples) }] : [];
  });
  if (taken.length < 2) return [];
  const fitted = (quantile: 'low' | 'median' | 'high'): number =>
    fitLine(taken.map((one) => ({ count: one.count, time: one[quantile] })))[what];
  const value = fitted('median');
  const bounds = [fitted('low'), value, fitted('high')];
  return [
    { part: 'costs', name, value, unit: 'ns', low: Math.min(...bounds), high: Math.max(...bounds), note: '1 thread' },
  ];
}
