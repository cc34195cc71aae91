// Options for what stands around the rule, of the optimizer as a whole: one table.
import { NON_FINITE, type NonFinite } from '../addon/names';
import { coded, rangeError, typeError } from '../errors';
import type { Schedule } from './types';

/** Options of `SGD` that can be assigned as properties too. */
export interface SGDAround {
  /** The largest magnitude of an element of the gradient: larger ones become it. Above 0; default `undefined`: any. */
  clipValue: number | undefined;
  /**
   * The largest global norm of the gradients: if theirs is larger, all are multiplied by `maxNorm / (norm + 1e-6)`. A number
   * from 0, or a schedule as for the learning rate; default `undefined`: any. Not beside `clipValue`.
   */
  maxNorm: number | Schedule | undefined;
  /**
   * What a step does with gradients that are not finite. `'apply'`: takes them. `'skip'`: changes nothing, and `step` stays.
   * `'error'`: throws with code `not-finite`, also for a norm that is not finite. Default `'apply'`; with a loss scale
   * `'skip'`.
   */
  nonFinite: NonFinite;
  /** The decay d of the moving average of parameters, from 0 to 1; default `undefined`: none, and averages rest. */
  emaDecay: number | undefined;
  /** `'torch'`: a velocity that a step makes is its gradient, undampened. Default `'mlx'`: it begins at zero. */
  firstStep: 'mlx' | 'torch';
}

interface Row<T> {
  readonly byDefault: T;
  /** Throws for a wrong value. */
  readonly check: (name: string, value: unknown) => T;
}

const AROUND: { readonly [K in keyof SGDAround]: Row<SGDAround[K]> } = {
  clipValue: { byDefault: undefined, check: optional('a number above 0', (value) => Math.fround(value) > 0) },
  maxNorm: { byDefault: undefined, check: checkMaxNorm },
  nonFinite: { byDefault: 'apply', check: oneOf(NON_FINITE) },
  emaDecay: { byDefault: undefined, check: optional('a number from 0 to 1', (value) => value >= 0 && value <= 1) },
  firstStep: { byDefault: 'mlx', check: oneOf(['mlx', 'torch'] as const) },
};

export type AroundName = keyof SGDAround;
export const AROUND_NAMES = Object.keys(AROUND) as readonly AroundName[];

function optional(expected: string, isRight: (value: number) => boolean): Row<number | undefined>['check'] {
  return (name, value) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw typeError('invalid-option', name, expected, value);
    if (!Number.isFinite(Math.fround(value)) || !isRight(value))
      throw rangeError('invalid-option', name, expected, value);
    return value;
  };
}

function oneOf<T extends string>(known: readonly T[]): Row<T>['check'] {
  return (name, value) => {
    const found = known.find((one) => one === value);
    if (found === undefined) throw rangeError('invalid-option', name, known.join(', '), value);
    return found;
  };
}

function checkMaxNorm(name: string, value: unknown): SGDAround['maxNorm'] {
  return value === undefined || typeof value === 'function' ? (value as Schedule | undefined) : checkNorm(name, value);
}

/** Throws for a norm that is none, in MLX's words. */
function checkNorm(name: string, value: unknown): number {
  if (typeof value !== 'number')
    throw typeError('invalid-option', name, 'a number from 0 or a function of the step', value);
  if (value >= 0) return value;
  const words = `max_norm should be >=0, ${String(value)} was provided instead`;
  throw coded(RangeError, 'invalid-option', `${name}: ${words}`);
}

/** The largest norm of the step after `step` completed ones; NaN: any. */
export function maxNormAt({ maxNorm }: Readonly<SGDAround>, step: number): number {
  if (maxNorm === undefined) return NaN;
  return typeof maxNorm === 'number' ? maxNorm : checkNorm(`maxNorm at step ${String(step)}`, maxNorm(step));
}

/** True if steps measure the norm of their gradients, and the largest of them. */
export function measures({ maxNorm, nonFinite }: Readonly<SGDAround>): boolean {
  return maxNorm !== undefined || nonFinite !== 'apply';
}

/** Throws if options contradict each other; `name` is the one to blame. */
export function checkAroundTogether(around: Readonly<SGDAround>, hasLossScale: boolean, name: AroundName): void {
  if (around.maxNorm !== undefined && around.clipValue !== undefined) {
    const keras = 'Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set.';
    throw coded(RangeError, 'invalid-option', `${name}: ${keras} Here: maxNorm and clipValue.`);
  }
  if (hasLossScale && around.nonFinite === 'apply')
    throw rangeError('invalid-option', 'nonFinite', 'skip or error beside a loss scale', around.nonFinite);
}

/** `all` with another value for one of them. */
export function withAround(all: Readonly<SGDAround>, name: AroundName, value: unknown): SGDAround {
  return { ...all, [name]: AROUND[name].check(name, value) };
}

/** The options among `given`, with the defaults of the others. */
export function checkAround(given: Readonly<Partial<Record<AroundName, unknown>>>, hasLossScale: boolean): SGDAround {
  const defaults = Object.fromEntries(
    AROUND_NAMES.map((name) => [name, AROUND[name].byDefault]),
  ) as unknown as SGDAround;
  const names = AROUND_NAMES.filter((name) => given[name] !== undefined);
  const start: SGDAround = hasLossScale ? { ...defaults, nonFinite: 'skip' } : defaults;
  const around = names.reduce((all, name) => withAround(all, name, given[name]), start);
  checkAroundTogether(around, hasLossScale, 'clipValue');
  return around;
}
