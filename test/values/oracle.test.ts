// The oracle that the property tests trust, against the same reference values as the addon.
import { copied, expectSameBits } from '../helpers/bits';
import { goldenCases } from '../helpers/fixtures';
import { ARRAYS } from '../helpers/leaves';
import { oracleStep } from '../helpers/oracle';

test.each(goldenCases())('the oracle computes $name', ({ dtype, options, parameter, steps }) => {
  const w = copied(parameter);
  const v = options.momentum > 0 ? new ARRAYS[dtype](w.length) : undefined;
  for (const [i, { learningRate, gradient, expected }] of steps.entries()) {
    oracleStep(dtype, { ...options, learningRate }, w, gradient, v);
    expectSameBits(dtype, w, expected.parameter, `parameter after step ${String(i + 1)}`);
    if (expected.v) expectSameBits(dtype, v ?? w, expected.v, `v after step ${String(i + 1)}`);
  }
});

test('the oracle flushes subnormal operands and results to zeros of their sign', () => {
  const subnormal = 2 ** -140;
  const options = { learningRate: 0.5, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false };
  const w = Float32Array.of(subnormal, -subnormal, 0, 2 ** -126, 1);
  const g = Float32Array.of(0, 0, 2 ** -126, 2 ** -126, subnormal);
  oracleStep('float32', options, w, g, undefined, 'flush');
  expectSameBits('float32', w, Float32Array.of(0, -0, 0, 2 ** -126, 1), 'parameter');
});

test('the oracle never flushes float64', () => {
  const w = Float64Array.of(2 ** -1074);
  const options = { learningRate: 1, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false };
  oracleStep('float64', options, w, Float64Array.of(-(2 ** -140)), undefined, 'flush');
  expect(w[0]).toBe(2 ** -140);
});
