// Options of the optimizer: defaults, and every check of a hyperparameter.
import { coded, rangeError, typeError } from '../errors';
import type { Schedule } from '../tree/types';

/** Where steps run: `'auto'` picks per step, `'gpu'` throws where there is none, `'cpu'` never touches Metal. */
export type DeviceChoice = 'auto' | 'gpu' | 'cpu';

/** Options of `SGD`, with MLX's names and defaults. */
export interface SGDOptions {
  /** mu; default 0: a plain step without velocity. */
  momentum?: number | undefined;
  /** wd, the L2 penalty added to the gradient; default 0. */
  weightDecay?: number | undefined;
  /** tau, dampening of the momentum; default 0. Applies from the first step on, unlike PyTorch's. */
  dampening?: number | undefined;
  /** Nesterov momentum; default false. Needs a momentum and zero dampening. */
  nesterov?: boolean | undefined;
  /** Default `'auto'`. The environment variable METAL_SGD_DEVICE replaces `'auto'` only. */
  device?: DeviceChoice | undefined;
}

/** The hyperparameters of a step, but for its learning rate. */
export interface Hyperparameters {
  momentum: number;
  weightDecay: number;
  dampening: number;
  nesterov: boolean;
}

const DEFAULTS = { momentum: 0, weightDecay: 0, dampening: 0, nesterov: false, device: 'auto' } as const;

/** Options with their defaults filled in, checked one by one and together. */
export function checkOptions(options: unknown): Hyperparameters & { device: DeviceChoice } {
  if (typeof options !== 'object' || options === null)
    throw typeError('invalid-option', 'options', 'an object', options);
  const known = Object.keys(DEFAULTS);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw rangeError('invalid-option', 'options', `only ${known.join(', ')}`, key);
  }
  const given: Record<string, unknown> = { ...DEFAULTS };
  for (const [key, value] of Object.entries(options)) if (value !== undefined) given[key] = value;
  const hyperparameters = {
    momentum: checkNumber('momentum', given['momentum']),
    weightDecay: checkNumber('weightDecay', given['weightDecay']),
    dampening: checkNumber('dampening', given['dampening']),
    nesterov: checkNesterov(given['nesterov']),
  };
  checkTogether(hyperparameters);
  return { ...hyperparameters, device: checkDevice('device', given['device']) };
}

/** A hyperparameter: a number that stays finite when it is rounded to float32. */
export function checkNumber(name: string, value: unknown): number {
  const expected = 'a finite number';
  if (typeof value !== 'number') throw typeError('invalid-hyperparameter', name, expected, value);
  if (!Number.isFinite(value)) throw rangeError('invalid-hyperparameter', name, expected, value);
  if (!Number.isFinite(Math.fround(value))) {
    throw rangeError('invalid-hyperparameter', name, 'a number that float32 can hold', value);
  }
  return value;
}

export function checkNesterov(value: unknown): boolean {
  if (typeof value !== 'boolean') throw typeError('invalid-hyperparameter', 'nesterov', 'a boolean', value);
  return value;
}

/** MLX's one check of hyperparameters against each other, in its words. */
export function checkTogether({ momentum, dampening, nesterov }: Hyperparameters): void {
  if (nesterov && (momentum <= 0 || dampening !== 0)) {
    throw coded(RangeError, 'invalid-hyperparameter', 'Nesterov momentum requires a momentum and zero dampening.');
  }
}

const DEVICES: readonly DeviceChoice[] = ['auto', 'gpu', 'cpu'];

/** A choice of device; `name` says whose. */
export function checkDevice(name: string, value: unknown): DeviceChoice {
  const known = DEVICES.find((one) => one === value);
  if (!known) throw rangeError('invalid-option', name, DEVICES.join(', '), value);
  return known;
}

/** A learning rate: a number, or a schedule. */
export function checkLearningRate(value: unknown): number | Schedule {
  if (typeof value === 'function') return value as Schedule;
  if (typeof value !== 'number') {
    throw typeError('invalid-hyperparameter', 'learningRate', 'a finite number or a function of the step', value);
  }
  return checkNumber('learningRate', value);
}

/** The learning rate of a step; names the step if a schedule gave none that is right. */
export function learningRateAt(rate: number | Schedule, step: number): number {
  return typeof rate === 'number' ? rate : checkNumber(`learningRate at step ${String(step)}`, rate(step));
}
