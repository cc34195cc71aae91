// The loss scale: what the caller multiplies the loss by, and steps divide the gradients by. As PyTorch's GradScaler.
import { checkKeys, coded, rangeError, typeError } from '../errors';

/** A dynamic loss scale, with the defaults of PyTorch's GradScaler. Scales are rounded to float32 when they change. */
export interface DynamicLossScale {
  /** Of the first step; default 65536. */
  initial?: number | undefined;
  /** Multiplies the scale after `growthInterval` steps in a row that were finite; above 1, default 2. */
  growthFactor?: number | undefined;
  /** Multiplies the scale of a step that was not finite; above 0 and below 1, default 0.5. */
  backoffFactor?: number | undefined;
  /** Finite steps in a row after which the scale grows; default 2000. */
  growthInterval?: number | undefined;
  /** The scale never falls below it; default 1. A step that is not finite even then throws with code `loss-scale`. */
  minimum?: number | undefined;
}

/** What a dynamic loss scale keeps from step to step. */
export interface LossScaleState {
  /** Of the next step. */
  scale: number;
  /** Finite steps since the scale changed. */
  growth: number;
}

type Factors = Readonly<Required<Record<Exclude<keyof DynamicLossScale, 'initial'>, number>>>;

interface Row {
  readonly byDefault: number;
  readonly isRight: (value: number) => boolean;
  /** What is expected; PyTorch's sentence where it has one. */
  readonly rule: string;
}

/** A scale does not grow beyond it: the reciprocal of a larger one is subnormal, and GPUs take that for 0. */
const LARGEST = 2 ** 126;

const isScale = (value: number): boolean => Math.fround(value) > 0 && Number.isFinite(Math.fround(value));

const DYNAMIC: { readonly [K in keyof DynamicLossScale]-?: Row } = {
  initial: { byDefault: 65536, isRight: isScale, rule: 'The scale must be a finite number above 0.' },
  growthFactor: {
    byDefault: 2,
    isRight: (value) => Math.fround(value) > 1 && Number.isFinite(value),
    rule: 'The growth factor must be > 1.0.',
  },
  backoffFactor: {
    byDefault: 0.5,
    isRight: (value) => Math.fround(value) > 0 && Math.fround(value) < 1,
    rule: 'The backoff factor must be < 1.0. It must be above 0.',
  },
  growthInterval: {
    byDefault: 2000,
    isRight: (value) => Number.isSafeInteger(value) && value >= 1,
    rule: 'The growth interval must be a whole number from 1.',
  },
  minimum: { byDefault: 1, isRight: isScale, rule: 'The minimum must be a finite number above 0.' },
};

const NAMES = Object.keys(DYNAMIC) as readonly (keyof DynamicLossScale)[];

function checkOne(name: string, value: unknown, { isRight, rule }: Row): number {
  if (typeof value !== 'number') throw typeError('invalid-option', name, 'a number', value);
  if (!isRight(value)) throw coded(RangeError, 'invalid-option', `${name}: ${rule} Received ${String(value)}.`);
  return value;
}

/** The loss scale of one optimizer. */
export class LossScale {
  #scale: number;
  #growth = 0;
  /** `undefined`: the scale never changes by itself. */
  readonly #factors: Factors | undefined;
  readonly #initial: number;

  constructor(scale: number, factors: Factors | undefined) {
    this.#scale = scale;
    this.#initial = scale;
    this.#factors = factors;
  }

  /** Of the next step. */
  get scale(): number {
    return this.#scale;
  }

  /** `undefined` for a fixed scale. */
  get state(): LossScaleState | undefined {
    return this.#factors && { scale: this.#scale, growth: this.#growth };
  }

  /** Goes on from a checked state; from none as a new one. A fixed scale stays. */
  restore({ scale, growth }: LossScaleState = { scale: this.#initial, growth: 0 }): void {
    if (!this.#factors) return;
    this.#scale = scale;
    this.#growth = growth;
  }

  /** Growth starts anew. */
  assign(value: unknown): void {
    this.#scale = checkOne('lossScale', value, DYNAMIC.initial);
    this.#growth = 0;
  }

  /** A step with the scale `own` has been taken. */
  completed(own: number): void {
    const factors = this.#factors;
    if (!factors || own !== this.#scale) return;
    this.#growth++;
    if (this.#growth < factors.growthInterval) return;
    this.#growth = 0;
    const grown = Math.fround(own * factors.growthFactor);
    if (grown <= LARGEST) this.#scale = grown;
  }

  /** Throws if a step with the scale `own` that was not finite leaves no smaller scale to try. */
  checkSkipped(own: number): void {
    const factors = this.#factors;
    if (!factors || own > factors.minimum) return;
    throw coded(
      Error,
      'loss-scale',
      `lossScale: a gradient is not finite, and the scale, ${String(own)}, can't fall below ${String(factors.minimum)}; ` +
        'nothing was changed: look for what makes the loss NaN or infinite',
    );
  }

  /** A step with the scale `own` was not finite. */
  skipped(own: number): void {
    const factors = this.#factors;
    if (!factors) return;
    const smaller = Math.max(factors.minimum, Math.fround(own * factors.backoffFactor));
    this.#scale = Math.min(this.#scale, smaller);
    this.#growth = 0;
  }
}

/** The option of the constructor. */
export function checkLossScale(value: unknown): LossScale | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return new LossScale(checkOne('lossScale', value, DYNAMIC.initial), undefined);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw typeError('invalid-option', 'lossScale', `a number or { ${NAMES.join(', ')} }`, value);
  const given = checkKeys('lossScale', value, NAMES);
  const checked = NAMES.map((name) => {
    const row = DYNAMIC[name];
    return [name, given[name] === undefined ? row.byDefault : checkOne(`lossScale.${name}`, given[name], row)] as const;
  });
  const { initial, ...factors } = Object.fromEntries(checked) as Record<keyof DynamicLossScale, number>;
  if (initial < factors.minimum)
    throw rangeError(
      'invalid-option',
      'lossScale.initial',
      `at least the minimum, ${String(factors.minimum)}`,
      initial,
    );
  return new LossScale(initial, factors);
}

/** A state as `LossScale.state` gives it; `name` says whose. */
export function checkLossScaleState(name: string, value: unknown): LossScaleState {
  if (typeof value !== 'object' || value === null) throw typeError('invalid-state', name, '{ scale, growth }', value);
  const { scale, growth } = value as Partial<Record<keyof LossScaleState, unknown>>;
  if (typeof scale !== 'number' || !isScale(scale))
    throw rangeError('invalid-state', `${name}.scale`, 'a number above 0', scale);
  if (typeof growth !== 'number' || !Number.isSafeInteger(growth) || growth < 0)
    throw rangeError('invalid-state', `${name}.growth`, 'a whole number from 0', growth);
  return { scale, growth };
}
