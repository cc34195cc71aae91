// What is measured, and who is: every contestant does the same case on memory of its own.
import type { Dtype } from 'metal-sgd';
import type { Model } from './models';

/** Hyperparameters that all contestants use. */
export interface Rule {
  readonly name: string;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  /** The step takes the mean of so many gradients; by default of one. */
  readonly gradients?: number;
  /** True: 16-bit parameters have float32 masters and velocities. */
  readonly masters?: boolean;
  /** Of the parameters' moving averages; without one there are none. */
  readonly emaDecay?: number;
  /** The largest norm of all gradients, above 0; by default any. */
  readonly maxNorm?: number;
  /** Gradients that are not finite leave a step out; by default none are looked for. */
  readonly nonFinite?: 'skip';
}

const COMMON = { learningRate: 1e-3, weightDecay: 1e-4, dampening: 0, nesterov: false };

/** Nesterov momentum allows no dampening, so that all that there is takes two rules. */
export const RULES: readonly Rule[] = [
  { name: 'plain', ...COMMON, momentum: 0 },
  { name: 'momentum', ...COMMON, momentum: 0.9 },
  { name: 'nesterov', ...COMMON, momentum: 0.9, nesterov: true },
  { name: 'dampened', ...COMMON, momentum: 0.9, dampening: 0.1 },
];

export interface Case {
  readonly model: Model;
  readonly dtype: Dtype;
  readonly rule: Rule;
  readonly threads: number;
}

/** What came out of some steps, by which contestants are compared. */
export interface Outcome {
  /** Hashes of all parameters, velocities, masters and averages (0 without): of those who promise the package's bits. */
  readonly hashes?: readonly number[];
  /** Some parameters' values; the C program has hashes only. */
  readonly values?: readonly number[];
  /** Set by who computes something else on purpose: whether that is right. */
  readonly isRight?: boolean;
}

/** One case, made ready by one contestant. */
export interface Runner {
  /** Nanoseconds that so many steps take together; null from when on it can't do any. */
  time(steps: number): Promise<number | null>;
  outcome(): Promise<Outcome>;
  /** Gives the memory back. */
  close(): Promise<void>;
}

export interface Contestant {
  readonly name: string;
  /** A string says why it takes no part in the case. */
  open(given: Case): Promise<Runner | string>;
  /** Bytes that one step moves, where they are not those of the case. */
  traffic?(given: Case): number;
  /** Ends what belongs to the contestant. */
  close(): Promise<void>;
}

export const ITEM_SIZES: Readonly<Record<Dtype, number>> = { float32: 4, float64: 8, float16: 2, bfloat16: 2 };

/** Bytes that one step must move: gradients read, once more if they are measured, everything else read and written. */
export function trafficOf(given: Case): number {
  const { read, written } = elementBytes(given);
  return given.model.total * ((isMeasured(given.rule) ? 2 : 1) * read + 2 * written);
}

/** True if a step knows something of all gradients before it begins. */
const isMeasured = ({ maxNorm, nonFinite }: Rule): boolean => maxNorm !== undefined || nonFinite !== undefined;

/** Bytes of the arrays of one contestant. */
export function memoryOf(given: Case): number {
  const { read, written } = elementBytes(given);
  return given.model.total * (read + written);
}

/** Of one element: what a step only reads, and what it reads and writes. */
function elementBytes({ dtype, rule }: Case): { read: number; written: number } {
  const item = ITEM_SIZES[dtype];
  const wide = Math.max(item, ITEM_SIZES.float32);
  const velocity = rule.momentum > 0 ? (rule.masters ? wide : item) : 0;
  const others = (rule.masters ? wide : 0) + (rule.emaDecay === undefined ? 0 : wide);
  return { read: item * (rule.gradients ?? 1), written: item + velocity + others };
}

/** Such as `resnet50 bfloat16 momentum, 2 threads`. */
export function labelOf({ model, dtype, rule, threads }: Case): string {
  return `${model.name} ${dtype} ${rule.name}, ${String(threads)} thread${threads === 1 ? '' : 's'}`;
}
