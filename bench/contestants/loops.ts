// The update loops in plain JavaScript, as fast as V8 runs them: in double, rounded where they are stored. (Rounding each
// operation by Math.fround, as float32 wants it, takes twice as long.) One function for each kind of step, since
// branches in the loop cost a third.
import type { Dtype } from 'metal-sgd';
import type { Rule } from '../contestant';
import type { Data } from '../values';
import { narrowBfloat16, narrowFloat16, wideningTable } from '../half';

/** Steps one leaf in place; without momentum `v` isn't touched. */
export type Loop = (w: Data, g: Data, v: Data, rule: Rule) => void;

export function loopFor(dtype: Dtype, { momentum, nesterov }: Rule): Loop {
  const kind = momentum > 0 ? (nesterov ? 'nesterov' : 'momentum') : 'plain';
  if (dtype === 'float32' || dtype === 'float64') return WIDE[kind];
  const table = wideningTable(dtype);
  return (w, g, v, rule) => {
    NARROW[kind](w, g, v, rule, table, dtype === 'float16');
  };
}

const scaleOf = ({ dampening }: Rule): number => (dampening > 0 ? 1 - dampening : 1);

const WIDE = {
  plain: (w: Data, g: Data, _: Data, { learningRate, weightDecay }: Rule): void => {
    for (let i = 0; i < w.length; i++) w[i] -= learningRate * (g[i] + weightDecay * w[i]);
  },
  momentum: (w: Data, g: Data, v: Data, rule: Rule): void => {
    const { learningRate, momentum, weightDecay } = rule;
    const scale = scaleOf(rule);
    for (let i = 0; i < w.length; i++) {
      const velocity = momentum * v[i] + scale * (g[i] + weightDecay * w[i]);
      v[i] = velocity;
      w[i] -= learningRate * velocity;
    }
  },
  nesterov: (w: Data, g: Data, v: Data, rule: Rule): void => {
    const { learningRate, momentum, weightDecay } = rule;
    const scale = scaleOf(rule);
    for (let i = 0; i < w.length; i++) {
      const gradient = g[i] + weightDecay * w[i];
      const velocity = momentum * v[i] + scale * gradient;
      v[i] = velocity;
      w[i] -= learningRate * (gradient + momentum * velocity);
    }
  },
};

type NarrowLoop = (w: Data, g: Data, v: Data, rule: Rule, widen: Float32Array, isFloat16: boolean) => void;

const narrow = (value: number, isFloat16: boolean): number =>
  isFloat16 ? narrowFloat16(value) : narrowBfloat16(value);

const NARROW: Readonly<Record<keyof typeof WIDE, NarrowLoop>> = {
  plain: (w, g, _, { learningRate, weightDecay }, widen, isFloat16) => {
    for (let i = 0; i < w.length; i++) {
      const parameter = widen[w[i]];
      w[i] = narrow(parameter - learningRate * (widen[g[i]] + weightDecay * parameter), isFloat16);
    }
  },
  momentum: (w, g, v, rule, widen, isFloat16) => {
    const { learningRate, momentum, weightDecay } = rule;
    const scale = scaleOf(rule);
    for (let i = 0; i < w.length; i++) {
      const parameter = widen[w[i]];
      const velocity = momentum * widen[v[i]] + scale * (widen[g[i]] + weightDecay * parameter);
      v[i] = narrow(velocity, isFloat16);
      w[i] = narrow(parameter - learningRate * velocity, isFloat16);
    }
  },
  nesterov: (w, g, v, rule, widen, isFloat16) => {
    const { learningRate, momentum, weightDecay } = rule;
    const scale = scaleOf(rule);
    for (let i = 0; i < w.length; i++) {
      const parameter = widen[w[i]];
      const gradient = widen[g[i]] + weightDecay * parameter;
      const velocity = momentum * widen[v[i]] + scale * gradient;
      v[i] = narrow(velocity, isFloat16);
      w[i] = narrow(parameter - learningRate * (gradient + momentum * velocity), isFloat16);
    }
  },
};
