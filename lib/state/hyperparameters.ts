// The hyperparameters of a step: one table, from which their types, checks and names in files derive.
import { coded, rangeError, show, typeError, Verbatim } from '../errors';
import { prefixed } from '../tree/paths';
import type { Schedule } from './types';

interface Row<T> {
  readonly byDefault: T;
  /** Throws for a wrong value; `name` says whose. */
  readonly check: (name: string, value: unknown) => T;
  /** Name in the metadata of a file. */
  readonly saved: string;
  /** True: older files lack it, and mean its default. */
  readonly isLate?: boolean;
  /** Reads it from there; `undefined` for anything else. */
  readonly parse: (text: string) => T | undefined;
}

/** The hyperparameters of `SGD` that groups can have too, but for the learning rate, with MLX's names. Options, and properties to assign. */
export interface SGDHyperparameters {
  /** mu; default 0. At 0 and below, steps are plain and velocities rest. */
  momentum: number;
  /** wd, the L2 penalty added to the gradient; default 0. */
  weightDecay: number;
  /** tau, dampening of the momentum; default 0. Applies from the first step on, unlike PyTorch's. */
  dampening: number;
  /** True if steps look ahead along the velocity; default false. Needs a momentum and zero dampening. */
  nesterov: boolean;
  /** True if steps climb: the gradient's sign is changed before weight decay is added; default false. As PyTorch's. */
  maximize: boolean;
}

export type HyperparameterName = keyof SGDHyperparameters;
export type Hyperparameters = Readonly<SGDHyperparameters>;

/** The keys are the addon's columns too. */
export const HYPERPARAMETERS: { readonly [K in HyperparameterName]: Row<SGDHyperparameters[K]> } = {
  momentum: number('momentum'),
  weightDecay: number('weight_decay'),
  dampening: number('dampening'),
  nesterov: flag('nesterov'),
  maximize: { ...flag('maximize'), isLate: true },
};

export const HYPERPARAMETER_NAMES = Object.keys(HYPERPARAMETERS) as readonly HyperparameterName[];

function number(saved: string): Row<number> {
  return { byDefault: 0, check: checkNumber, saved, parse: parseNumber };
}

function flag(saved: string): Row<boolean> {
  return { byDefault: false, check: checkBoolean, saved, parse: (text) => BOOLEANS.get(text) };
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

function parseNumber(text: string): number | undefined {
  return Number.isFinite(Number(text)) ? Number(text) : undefined;
}

type Given = Readonly<Partial<Record<HyperparameterName, unknown>>>;

/** The hyperparameters among `given` that are not `undefined`, checked one by one; `prefix` begins their names. */
export function checkGiven(given: Given, prefix?: string): Partial<Hyperparameters> {
  const names = HYPERPARAMETER_NAMES.filter((name) => given[name] !== undefined);
  return Object.fromEntries(
    names.map((name) => [name, HYPERPARAMETERS[name].check(prefixed(prefix, name) as string, given[name])]),
  );
}

/** The same with the defaults of the others. */
export function checkHyperparameters(given: Given): Hyperparameters {
  const defaults = HYPERPARAMETER_NAMES.map((name) => [name, HYPERPARAMETERS[name].byDefault]);
  return { ...(Object.fromEntries(defaults) as Hyperparameters), ...checkGiven(given) };
}

/** `all` with another value for one of them, checked by itself. */
export function withHyperparameter(all: Hyperparameters, name: HyperparameterName, value: unknown): Hyperparameters {
  return { ...all, [name]: HYPERPARAMETERS[name].check(name, value) };
}

/** MLX's one check of hyperparameters against each other, in its words; `group` names a group. */
export function checkTogether({ momentum, dampening, nesterov }: Hyperparameters, group?: string): void {
  if (!nesterov || (momentum > 0 && dampening === 0)) return;
  const message = 'Nesterov momentum requires a momentum and zero dampening.';
  throw coded(RangeError, 'invalid-hyperparameter', group === undefined ? message : `${group}: ${message}`);
}

/** Throws unless `value` is a number that stays finite when it is rounded to float32. */
export function checkNumber(name: string, value: unknown): number {
  const expected = 'a finite number';
  if (typeof value !== 'number') throw typeError('invalid-hyperparameter', name, expected, value);
  if (!Number.isFinite(value)) throw rangeError('invalid-hyperparameter', name, expected, value);
  if (!Number.isFinite(Math.fround(value))) {
    throw rangeError('invalid-hyperparameter', name, 'a number that float32 can hold', value);
  }
  return value;
}

function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw typeError('invalid-hyperparameter', name, 'a boolean', value);
  return value;
}

/** Throws unless `value` is a number or a function. */
export function checkLearningRate(name: string, value: unknown): number | Schedule {
  if (typeof value === 'function') return value as Schedule;
  if (typeof value !== 'number') {
    const isTree = typeof value === 'object' && value !== null;
    const received = isTree ? new Verbatim(`${show(value)}; parameters go to update`) : value;
    throw typeError('invalid-hyperparameter', name, 'a finite number or a function of the step', received);
  }
  return checkNumber(name, value);
}
