// Means, masters, averages and PyTorch's first step against real MLX, PyTorch and numpy, to the bit, after every step.
import { clone, globalNorm, type Leaf, meanOf, SGD } from '../../lib';
import type { Dtype } from '../../lib/tree/dtype';
import { expectSameBits } from '../helpers/bits';
import { type Elements, featureCases, type Nested, type Step } from '../helpers/features';
import { dataOf } from '../helpers/leaves';
import { valueAt } from '../helpers/paths';

/** How the gradients of one step reach the optimizer. */
const WAYS = {
  update: (optimizer: SGD, parameters: Nested, gradients: readonly Nested[]) => {
    optimizer.update(parameters, meanOf(...gradients));
    return parameters;
  },
  updateAsync: async (optimizer: SGD, parameters: Nested, gradients: readonly Nested[]) => {
    await optimizer.updateAsync(parameters, meanOf(...gradients));
    return parameters;
  },
  applyGradients: (optimizer: SGD, parameters: Nested, gradients: readonly Nested[]) =>
    optimizer.applyGradients(meanOf(...gradients), parameters),
  'accumulate, then update': (optimizer: SGD, parameters: Nested, gradients: readonly Nested[]) => {
    for (const one of gradients.slice(1)) optimizer.accumulate(one);
    optimizer.update(parameters, gradients[0]);
    return parameters;
  },
};

function expectTree(tree: unknown, key: string, dtype: Dtype, expected: Elements, what: string): void {
  for (const [path, data] of Object.entries(expected))
    expectSameBits(dtype, dataOf(valueAt(tree, `${path}${key}`) as Leaf), data, `${what} ${path}`);
}

function expectStep(optimizer: SGD, parameters: Nested, dtype: Dtype, expected: Step, step: string): void {
  const { parameters: state } = optimizer.state;
  expectTree(parameters, '', dtype, expected.parameters, `step ${step}: parameter`);
  expectTree(state, '.v', 'float32', expected.v, `step ${step}: velocity`);
  expectTree(state, '.master', 'float32', expected.master, `step ${step}: master`);
  expectTree(state, '.ema', 'float32', expected.ema, `step ${step}: average in the state`);
  expectTree(optimizer.averages, '', 'float32', expected.ema, `step ${step}: average`);
}

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])('%s', (way) => {
  const files = ['mean', 'master', 'ema'] as const;
  describe.each(files)('%s', (file) => {
    // The order of a sum is part of its bits, and accumulating takes the first gradient last.
    const cases = featureCases(file).filter(
      ({ name }) => way !== 'accumulate, then update' || !/mean of [347]/.test(name),
    );
    test.each(cases)('$name', async ({ dtype, learningRate, options, parameters: start, steps }) => {
      const optimizer = new SGD(learningRate, options);
      let parameters = clone(start);
      for (const [i, step] of steps.entries()) {
        parameters = await WAYS[way](optimizer, parameters, clone(step.gradients as Nested[]));
        expectStep(optimizer, parameters, dtype, step, String(i + 1));
      }
    });
  });
});

test.each(featureCases('mean'))(
  'accumulate and the last gradient with the step: $name',
  ({ learningRate, options, ...one }) => {
    const optimizer = new SGD(learningRate, options);
    const parameters = clone(one.parameters);
    for (const [i, step] of one.steps.entries()) {
      for (const gradients of step.gradients.slice(0, -1)) optimizer.accumulate(gradients);
      optimizer.update(parameters, step.gradients.at(-1));
      expectStep(optimizer, parameters, 'float32', step, String(i + 1));
    }
  },
);

/** Steps in the way of a row, with one gradient. */
const ONE_GRADIENT = Object.entries(WAYS).filter(([way]) => way !== 'accumulate, then update');

function expectNear(tree: unknown, key: string, expected: Elements, what: string): void {
  for (const [path, data] of Object.entries(expected)) {
    const found = dataOf(valueAt(tree, `${path}${key}`) as Leaf);
    expect(found.length).toBe(data.length);
    data.forEach((value, i) => {
      const error = Math.abs(found[i] - value) / Math.max(1, Math.abs(value));
      expect([what, path, i, error < 3e-6]).toEqual([what, path, i, true]);
    });
  }
}

describe.each(ONE_GRADIENT)('%s', (_, take) => {
  test.each(featureCases('torch'))('GradScaler and clip_grad_norm_: $name', async (one) => {
    const { learningRate, options, maxNorm, lossScale } = one;
    const optimizer = new SGD(learningRate, { ...options, maxNorm, lossScale });
    let parameters = clone(one.parameters);
    const skips: boolean[] = [];
    for (const [i, step] of one.steps.entries()) {
      const what = `step ${String(i + 1)}`;
      const scales = lossScale ? [step.scale, step.scaleAfter] : [undefined, undefined];
      expect([what, optimizer.lossScale]).toEqual([what, scales[0]]);
      parameters = await take(optimizer, parameters, clone(step.gradients as Nested[]));
      const { skipped, lossScale: own, gradientNorm = NaN, clipped } = optimizer.lastRun ?? {};
      expect([what, skipped, own, optimizer.lossScale]).toEqual([what, step.skipped, ...scales]);
      skips.push(step.skipped);
      expect(optimizer.step).toBe(skips.filter((isSkip) => !isSkip).length);
      if (optimizer.step === 0) {
        expectTree(parameters, '', 'float32', step.parameters, `${what}: parameter`);
        expect(JSON.stringify(optimizer.state.parameters)).not.toContain('"v"'); // its first step is still to come
        continue;
      }
      if (maxNorm === undefined) {
        expectStep(optimizer, parameters, 'float32', step, String(i + 1));
        expect(clipped).toBe(false);
        continue;
      }
      expectNear(parameters, '', step.parameters, `${what}: parameter`);
      expectNear(optimizer.state.parameters, '.v', step.v, `${what}: velocity`);
      if (!step.skipped) expect(Math.abs(gradientNorm / step.norm - 1)).toBeLessThan(1e-6);
    }
    expect(skips.includes(true)).toBe(lossScale !== undefined);
  });

  test.each(featureCases('clip'))("MLX's clip_grad_norm: $name", async (one) => {
    const { learningRate, options, maxNorm } = one;
    const optimizer = new SGD(learningRate, { ...options, maxNorm });
    let parameters = clone(one.parameters);
    for (const [i, step] of one.steps.entries()) {
      parameters = await take(optimizer, parameters, clone(step.gradients as Nested[]));
      const { gradientNorm = NaN, clipped } = optimizer.lastRun ?? {};
      expect(gradientNorm).toBe(globalNorm(step.gradients[0]));
      expect(clipped).toBe(step.normalizer !== 1);
      expectNear(parameters, '', step.parameters, `step ${String(i + 1)}: parameter`);
      expectNear(optimizer.state.parameters, '.v', step.v, `step ${String(i + 1)}: velocity`);
    }
  });
});

// The same by hand: the caller unscales, skips and clips.
test.each(featureCases('torch').filter(({ maxNorm }) => maxNorm === undefined))(
  "PyTorch's first step, unscaled by the caller: $name",
  ({ learningRate, options, ...one }) => {
    const optimizer = new SGD(learningRate, options);
    const parameters = clone(one.parameters);
    for (const [i, step] of one.steps.entries()) {
      if (step.skipped) continue;
      optimizer.update(parameters, step.gradients[0], { gradientScale: 1 / step.scale });
      expectStep(optimizer, parameters, 'float32', step, String(i + 1));
    }
    expect(optimizer.step).toBe(one.steps.filter(({ skipped }) => !skipped).length);
  },
);

test.each(featureCases('clip'))(
  "MLX's clipping, by the caller's own norm: $name",
  ({ learningRate, options, ...one }) => {
    const optimizer = new SGD(learningRate, options);
    const parameters = clone(one.parameters);
    for (const [i, step] of one.steps.entries()) {
      const [gradients] = step.gradients;
      expect(Math.abs(globalNorm(gradients) / step.exactNorm - 1)).toBeLessThan(1e-6);
      optimizer.update(parameters, gradients, { gradientScale: step.normalizer });
      expectStep(optimizer, parameters, 'float32', step, String(i + 1));
    }
    expect(one.steps.some(({ normalizer }) => normalizer !== 1)).toBe(true);
  },
);
