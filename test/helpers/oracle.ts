// The update rule in plain TypeScript, from its published equations: what the addon's results are compared with.
import type { Dtype, LeafData } from '../../lib/tree/dtype';
import { BFLOAT16, FLOAT16, type HalfFormat, narrow, widen } from './half';

export interface Hyperparameters {
  learningRate: number;
  momentum: number;
  weightDecay: number;
  dampening: number;
  nesterov: boolean;
}

/** How float32 subnormals are flushed. */
export interface Flushing {
  /** A negative number becomes +0, not -0: on a GPU, if anywhere. */
  readonly positiveZero?: boolean;
  /** A result is judged before it is rounded. */
  readonly flushBeforeRounding?: boolean;
}

/** What happens to float32 subnormals, as an operand and as a result. */
export type Subnormals = 'keep' | 'flush' | Flushing;

/** Numbers as a step of one dtype computes with them. */
interface Arithmetic {
  /** Rounds one operation's result, or one operand. */
  readonly round: (value: number) => number;
  readonly load: (item: number) => number;
  readonly store: (value: number) => number;
}

// Taken once: see half.ts.
const { abs, fround } = Math;

const SMALLEST_NORMAL = 2 ** -126;

const identity = (value: number): number => value;

/** Arm's processors judge before they round, Intel's after. */
const BY_PROCESSOR: Flushing = { flushBeforeRounding: process.arch === 'arm64' };

/** Rounds to float32. A double holds a product of two of them, and every sum that is near zero. */
function flushing({ positiveZero, flushBeforeRounding }: Flushing): (value: number) => number {
  return (value) => {
    const rounded = fround(value);
    // Rounded as if there were no smallest exponent.
    const judged = flushBeforeRounding ? value : fround(value * 2 ** 64) * 2 ** -64;
    if (value === 0 || !(abs(judged) < SMALLEST_NORMAL)) return rounded;
    return positiveZero ? 0 : 0 * rounded;
  };
}

function arithmeticOf(dtype: Dtype, subnormals: Subnormals): Arithmetic {
  if (dtype === 'float64') return { round: identity, load: identity, store: identity };
  const round = subnormals === 'keep' ? fround : flushing(subnormals === 'flush' ? BY_PROCESSOR : subnormals);
  if (dtype === 'float32') return { round, load: identity, store: identity };
  const format = dtype === 'float16' ? FLOAT16 : BFLOAT16;
  const values = valuesOf(format);
  return { round, load: (bits) => values[bits], store: (value) => narrow(value, format) };
}

const tables = new Map<HalfFormat, Float64Array>();

/** The number of each of the 65536 patterns. */
export function valuesOf(format: HalfFormat): Float64Array {
  const known = tables.get(format) ?? Float64Array.from({ length: 0x10000 }, (_, bits) => widen(bits, format));
  tables.set(format, known);
  return known;
}

/** What stands around the rule in one step. */
export interface Around {
  /** Gradients beside `w`, each with its own dtype; summed in this order. */
  readonly gradients: readonly { readonly dtype: Dtype; readonly data: LeafData }[];
  /** Default: the number of gradients. */
  readonly divisor?: number;
  readonly gradientScale?: number;
  /** Of clipping by the norm; `undefined`: nothing is clipped. */
  readonly coefficient?: number | undefined;
  readonly clipValue?: number | undefined;
  readonly maximize?: boolean;
  /** True: the velocity is made by this step, as PyTorch does. */
  readonly makesVelocity?: boolean;
  /** float32; the velocity is float32 beside it. */
  readonly master?: LeafData | undefined;
  readonly average?: { readonly data: LeafData; readonly decay: number; readonly isFirst: boolean } | undefined;
}

/** Rounds an operation of a dtype. */
export const roundOf = (dtype: Dtype, subnormals: Subnormals): ((value: number) => number) =>
  arithmeticOf(dtype, subnormals).round;

/** The gradient that norm and finite test see, for element `i`. */
export function measuredAt(dtype: Dtype, around: Around, i: number, subnormals: Subnormals): number {
  const { round } = arithmeticOf(dtype, subnormals);
  const { gradients, divisor = gradients.length, gradientScale = 1 } = around;
  let sum = NaN;
  gradients.forEach(({ dtype: own, data }, k) => {
    const item = arithmeticOf(own, subnormals).load(data[i]);
    sum = k === 0 ? item : round(round(sum) + round(item));
  });
  if (divisor !== 1) sum = round(round(sum) / divisor);
  return gradientScale === 1 ? sum : round(round(sum) * round(gradientScale));
}

/** The gradient that the rule takes, for element `i`. */
function gradientAt(dtype: Dtype, around: Around, i: number, subnormals: Subnormals): number {
  const { round } = arithmeticOf(dtype, subnormals);
  const { coefficient, clipValue, maximize = false } = around;
  let sum = measuredAt(dtype, around, i, subnormals);
  if (coefficient !== undefined) sum = round(round(sum) * round(coefficient));
  if (clipValue !== undefined) {
    const most = round(clipValue);
    if (round(sum) < -most) sum = -most;
    else if (round(sum) > most) sum = most;
  }
  return maximize ? -sum : sum;
}

/** One step of one leaf, in place on `w` and, with momentum, `v`; 16-bit dtypes as words. */
export function oracleStep(
  dtype: Dtype,
  given: Hyperparameters,
  w: LeafData,
  g: LeafData,
  v: LeafData | undefined,
  subnormals: Subnormals = 'keep',
): void {
  oracleStepAround(dtype, given, w, v, { gradients: [{ dtype, data: g }] }, subnormals);
}

/** The same with all that stands around the rule; in place on masters and averages too. */
export function oracleStepAround(
  dtype: Dtype,
  given: Hyperparameters,
  w: LeafData,
  v: LeafData | undefined,
  around: Around,
  subnormals: Subnormals = 'keep',
): void {
  const { round, load, store } = arithmeticOf(dtype, subnormals);
  const { master, average, makesVelocity = false } = around;
  const times = (a: number, b: number): number => round(round(a) * round(b));
  const plus = (a: number, b: number): number => round(round(a) + round(b));
  // Rounded to float32 like every number from outside, even where the dtype is half as wide.
  const lambda = round(given.learningRate);
  const mu = round(given.momentum);
  const decay = round(given.weightDecay);
  const fresh = round(1 - Math.max(given.dampening, 0));

  for (let i = 0; i < w.length; i++) {
    const isWritten = master !== undefined && w[i] !== store(master[i]);
    const parameter = master === undefined || isWritten ? load(w[i]) : master[i];
    const loss = gradientAt(dtype, around, i, subnormals);
    const gradient = given.weightDecay === 0 ? loss : plus(loss, times(decay, parameter));
    let direction = gradient;
    if (given.momentum > 0) {
      if (!v) throw new Error('the oracle needs a velocity');
      const former = master === undefined ? load(v[i]) : v[i];
      const added = given.dampening > 0 ? times(fresh, gradient) : gradient;
      const velocity = makesVelocity ? gradient : plus(times(mu, former), added);
      v[i] = master === undefined ? store(velocity) : velocity;
      direction = given.nesterov ? plus(gradient, times(mu, velocity)) : velocity;
    }
    const next = plus(parameter, -times(lambda, direction));
    w[i] = store(next);
    if (master) master[i] = next;
    if (!average) continue;
    const averaged = master ? next : load(w[i]);
    const { data, decay: kept, isFirst } = average;
    data[i] = isFirst ? averaged : plus(times(round(kept), data[i]), times(round(1 - kept), averaged));
  }
}
