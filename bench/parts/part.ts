// Parts of the suite that find single figures.
import type { Baseline } from '../contestants/baseline';
import type { Watch } from '../measure';
import type { Metric } from '../metrics';

export interface Context {
  readonly rounds: number;
  /** Small models and few steps: does everything work? */
  readonly isSmoke: boolean;
  /** Processors that threads are bound to; empty if they are not. */
  readonly processors: readonly number[];
  readonly baseline: Baseline | undefined;
  /** True if other packages were asked for. */
  readonly hasPeers: boolean;
  readonly watch: Watch;
}

export type Part = (context: Context) => Promise<Metric[]> | Metric[];

/** True if so many bytes can be had; else says what is left out. */
export function hasMemory(bytes: number, what: string, { watch }: Context): boolean {
  const free = process.availableMemory() * 0.9;
  if (bytes <= free) return true;
  const [needed, left] = [bytes, free].map((one) => `${(one / 1e9).toFixed(1)} GB`);
  watch.complain(`${what} is left out: it needs ${needed}, and ${left} are free`);
  return false;
}
