// Medians and spreads of samples.

export interface Summary {
  readonly median: number;
  /** Quartiles: half of all samples lie between them. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
}

/** A sample, or null where there is none. */
export type Sample = number | null;

const isTaken = (sample: Sample): sample is number => sample !== null;

/** Of at least one sample. */
export function summarize(samples: readonly Sample[]): Summary {
  const sorted = samples.filter(isTaken).sort((a, b) => a - b);
  const at = (share: number): number => quantile(sorted, share);
  return { median: at(0.5), low: at(0.25), high: at(0.75), least: at(0) };
}

/** Ratios of samples that were taken one after the other, pair by pair: what both suffered cancels out. */
export function pairedRatios(above: readonly Sample[], below: readonly Sample[]): number[] {
  return paired(above, below, (a, b) => a / b);
}

/** The same for differences. */
export function pairedDifferences(above: readonly Sample[], below: readonly Sample[]): number[] {
  return paired(above, below, (a, b) => a - b);
}

function paired(
  above: readonly Sample[],
  below: readonly Sample[],
  compare: (above: number, below: number) => number,
): number[] {
  return above.flatMap((a, i) => {
    const b = below.at(i) ?? null;
    return a === null || b === null ? [] : [compare(a, b)];
  });
}

function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const lower = Math.floor(place);
  const upper = Math.ceil(place);
  return sorted[lower] + (place - lower) * (sorted[upper] - sorted[lower]);
}
