// The update loops in plain JavaScript. Every operation is rounded to float32, as the rule wants; V8 makes float32
// instructions of that. What to do is asked in the loop: such branches are always foreseen.
import type { Dtype } from 'metal-sgd';
import type { Rule } from '../contestant';
import type { Data } from '../values';
import { narrowBfloat16, narrowFloat16, wideningTable } from './half';

/** Steps one leaf in place; without momentum `v` isn't touched. */
export type Loop = (w: Data, g: Data, v: Data, rule: Rule) => void;

export function loopFor(dtype: Dtype): Loop {
  if (dtype === 'float32') return stepFloat32 as Loop;
  if (dtype === 'float64') return stepFloat64 as Loop;
  const table = wideningTable(dtype);
  return (w, g, v, rule) => {
    stepNarrow(w as Uint16Array, g as Uint16Array, v as Uint16Array, rule, table, dtype === 'float16');
  };
}

const { fround } = Math;
const scaleOf = ({ dampening }: Rule): number => (dampening > 0 ? 1 - dampening : 1);

function stepFloat32(w: Float32Array, g: Float32Array, v: Float32Array, rule: Rule): void {
  const [lambda, mu, decay] = [fround(rule.learningRate), fround(rule.momentum), fround(rule.weightDecay)];
  const scale = fround(scaleOf(rule));
  const { nesterov } = rule;
  const hasMomentum = rule.momentum > 0;
  for (let i = 0; i < w.length; i++) {
    let update = g[i];
    if (decay !== 0) update = fround(update + fround(decay * w[i]));
    if (hasMomentum) {
      const velocity = fround(fround(mu * v[i]) + fround(scale * update));
      v[i] = velocity;
      update = nesterov ? fround(update + fround(mu * velocity)) : velocity;
    }
    w[i] = fround(w[i] - fround(lambda * update));
  }
}

function stepFloat64(w: Float64Array, g: Float64Array, v: Float64Array, rule: Rule): void {
  const { learningRate, momentum, weightDecay, nesterov } = rule;
  const scale = scaleOf(rule);
  for (let i = 0; i < w.length; i++) {
    let update = g[i];
    if (weightDecay !== 0) update += weightDecay * w[i];
    if (momentum > 0) {
      const velocity = momentum * v[i] + scale * update;
      v[i] = velocity;
      update = nesterov ? update + momentum * velocity : velocity;
    }
    w[i] -= learningRate * update;
  }
}

function stepNarrow(
  w: Uint16Array,
  g: Uint16Array,
  v: Uint16Array,
  rule: Rule,
  widen: Float32Array,
  isFloat16: boolean,
): void {
  const [lambda, mu, decay] = [fround(rule.learningRate), fround(rule.momentum), fround(rule.weightDecay)];
  const scale = fround(scaleOf(rule));
  const { nesterov } = rule;
  const hasMomentum = rule.momentum > 0;
  for (let i = 0; i < w.length; i++) {
    const parameter = widen[w[i]];
    let update = widen[g[i]];
    if (decay !== 0) update = fround(update + fround(decay * parameter));
    if (hasMomentum) {
      const velocity = fround(fround(mu * widen[v[i]]) + fround(scale * update));
      v[i] = isFloat16 ? narrowFloat16(velocity) : narrowBfloat16(velocity);
      update = nesterov ? fround(update + fround(mu * velocity)) : velocity;
    }
    const next = fround(parameter - fround(lambda * update));
    w[i] = isFloat16 ? narrowFloat16(next) : narrowBfloat16(next);
  }
}
