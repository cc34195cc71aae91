// Medians and spreads of samples.

export interface Summary {
  readonly median: number;
  /** Quartiles: half of all samples lie between them. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
}

/** Of at least one sample. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => quantile(sorted, share);
  return { median: at(0.5), low: at(0.25), high: at(0.75), least: at(0) };
}

/** Ratios of samples that were taken one after the other, pair by pair: what both suffered cancels out. */
export function pairedRatios(above: readonly number[], below: readonly number[]): number[] {
  return above.slice(0, below.length).map((value, i) => value / below[i]);
}

function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const lower = Math.floor(place);
  const upper = Math.ceil(place);
  return sorted[lower] + (place - lower) * (sorted[upper] - sorted[lower]);
}
