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
  /** Hashes of all parameters and of all velocities (0 without): of those who promise the package's bits. */
  readonly hashes?: readonly [parameters: number, velocities: number];
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

/** Bytes that one step must move: w and g read and w written, and v read and written with momentum. */
export function trafficOf({ model, dtype, rule }: Case): number {
  return model.total * ITEM_SIZES[dtype] * (rule.momentum > 0 ? 5 : 3);
}

/** Bytes of the arrays of one contestant. */
export function memoryOf({ model, dtype, rule }: Case): number {
  return model.total * ITEM_SIZES[dtype] * (rule.momentum > 0 ? 3 : 2);
}

/** Such as `resnet50 bfloat16 momentum, 2 threads`. */
export function labelOf({ model, dtype, rule, threads }: Case): string {
  return `${model.name} ${dtype} ${rule.name}, ${String(threads)} thread${threads === 1 ? '' : 's'}`;
}
