// What was decided about the norm, the finite test and the loss scale: each decision is a title.
import {
  clone,
  globalNorm,
  type Leaf,
  type LeafState,
  meanOf,
  SGD,
  type SGDOptions,
  type Tensor,
  zeros,
} from '../../lib';
import { deviceFor } from '../helpers/devices';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';

const of = (...numbers: number[]): Float32Array => Float32Array.from(numbers);
const doubles = (...numbers: number[]): Float64Array => Float64Array.from(numbers);

/** Words of float16 for 1, 2, ... of few bits. */
const HALF: Readonly<Record<number, number>> = { 0: 0, 1: 0x3c00, 2: 0x4000, 4: 0x4400, 300: 0x5cb0 };
const half = (...numbers: number[]): Tensor<'float16'> => ({
  data: Uint16Array.from(numbers, (number) => HALF[number]),
  shape: [numbers.length],
  dtype: 'float16',
});

const vOf = (optimizer: SGD, key: string): Leaf | undefined =>
  (optimizer.state.parameters as Record<string, LeafState>)[key].v;

describe('maxNorm', () => {
  test("clips all groups by one norm, with MLX's and PyTorch's 1e-6", () => {
    const optimizer = new SGD(1, { maxNorm: 1, groups: [{ parameters: /b/, learningRate: 2 }] });
    const parameters = { a: of(0), b: of(0) };
    optimizer.update(parameters, { a: of(3), b: of(4) });
    const c = Math.fround(1 / Math.fround(5 + Math.fround(1e-6)));
    expect(parameters).toEqual({ a: of(-Math.fround(3 * c)), b: of(-2 * Math.fround(4 * c)) });
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 5, gradientMax: 4, clipped: true, skipped: false });
  });

  test('leaves a norm that is not larger alone, to the bit', () => {
    const optimizer = new SGD(1, { maxNorm: 6 });
    const parameters = { a: of(0), b: of(0) };
    optimizer.update(parameters, { a: of(3), b: of(4) });
    expect(parameters).toEqual({ a: of(-3), b: of(-4) });
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 5, clipped: false });
  });

  test('of 0 makes every gradient 0; Infinity clips nothing, and the norm is told', () => {
    for (const [maxNorm, expected] of [
      [0, -0],
      [Infinity, -5],
    ] as const) {
      const optimizer = new SGD(1, { maxNorm });
      const parameter = of(0);
      optimizer.update([parameter], [of(5)]);
      expect([maxNorm, parameter[0] + 0]).toEqual([maxNorm, expected + 0]);
      expect(optimizer.lastRun?.gradientNorm).toBe(5);
    }
  });

  test('a NaN norm makes every gradient NaN, and an infinite one 0 or NaN, as in MLX and PyTorch', () => {
    const parameters = [of(1), of(1)];
    new SGD(1, { maxNorm: 1 }).update(parameters, [of(NaN), of(2)]);
    expect(parameters).toEqual([of(NaN), of(NaN)]);
    const others = [of(1, 1), of(1)];
    new SGD(1, { maxNorm: 1 }).update(others, [of(Infinity, 3), of(2)]);
    expect(others).toEqual([of(NaN, 1), of(1)]);
  });

  test('is a schedule, asked with the number of completed steps; it can be assigned', () => {
    const asked: number[] = [];
    const optimizer = new SGD(1, {
      maxNorm: (step) => {
        asked.push(step);
        return step + 1;
      },
    });
    const parameter = of(0);
    for (let i = 0; i < 3; i++) optimizer.update([parameter], [of(100)]);
    expect(asked).toEqual([0, 1, 2]);
    expect(parameter[0]).toBeCloseTo(-6);
    optimizer.maxNorm = undefined;
    optimizer.update([parameter], [of(100)]);
    expect(parameter[0]).toBeCloseTo(-106);
    expect(optimizer.lastRun?.gradientNorm).toBeUndefined();
    optimizer.maxNorm = 2;
    optimizer.update([parameter], [of(100)]);
    expect(parameter[0]).toBeCloseTo(-108);
    expect(optimizer.maxNorm).toBe(2);
  });

  test('assigned to an optimizer that had none measures from the next step on', () => {
    const optimizer = new SGD(1);
    const [parameters, gradients] = [[of(0)], [of(100)]];
    for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
    optimizer.maxNorm = 2;
    optimizer.update(parameters, gradients);
    expect(parameters[0][0]).toBeCloseTo(-302);
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 100, clipped: true });
  });

  test('takes the norm after the mean and the scale, and never of a frozen leaf', () => {
    const optimizer = new SGD(1, { maxNorm: 100, trainable: /^w/ });
    const gradients = [4, 8].map((value) => ({ w: of(value), frozen: of(NaN) }));
    const parameters = { w: of(0), frozen: of(7) };
    optimizer.update(parameters, meanOf(...gradients), { gradientScale: 0.5 });
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 3, gradientMax: 3 });
    expect(parameters).toEqual({ w: of(-3), frozen: of(7) });
  });

  test('equals globalNorm where both trees list their keys alike, whatever the order of the gradients', () => {
    const shapes = Object.fromEntries(Array.from({ length: 61 }, (_, i) => [`p${String(i)}`, 1 + ((i * 37) % 50)]));
    const [parameters, gradients] = [zeros(shapes), zeros(shapes)];
    const entries = Object.entries(gradients);
    const shuffled = Object.fromEntries(entries.map((_, i) => entries[(i * 7) % entries.length]));
    // The order is part of the bits, though most often the root hides it.
    const fill = (seed: number): boolean => {
      Object.values(gradients).forEach(({ data }, i) => {
        data.forEach((_, k) => (data[k] = Math.sin(k * (i + 1) + i + seed)));
      });
      return globalNorm(shuffled) !== globalNorm(gradients);
    };
    expect(Array.from({ length: 50 }, (_, seed) => seed).some(fill)).toBe(true);
    const optimizer = new SGD(1, { maxNorm: 1e30 });
    for (const given of [gradients, shuffled]) {
      optimizer.update(parameters, given);
      expect(optimizer.lastRun?.gradientNorm).toBe(globalNorm(gradients));
      optimizer.applyGradients(given, parameters);
      expect(optimizer.lastRun?.gradientNorm).toBe(globalNorm(gradients));
    }
  });

  test('a clipped 16-bit gradient is not rounded in between', () => {
    const parameter = half(0);
    new SGD(1, { maxNorm: 300 }).update([parameter], [half(300)]);
    expect(globalNorm(half(300, 300))).toBe(Math.fround(Math.hypot(300, 300)));
    expect(parameter.data[0] & 0x7fff).toBe(0x5cb0);
  });

  test('with float64 leaves forms norm and coefficient in double, and rounds that for the others', () => {
    const parameters = { a: of(0), b: doubles(0) };
    const optimizer = new SGD(1, { maxNorm: 1, device: deviceFor(['float32', 'float64']) });
    optimizer.update(parameters, { a: of(0.1), b: doubles(3) });
    const square = Math.fround(Math.fround(0.1) * Math.fround(0.1));
    const norm = Math.sqrt(square + 9);
    const c = 1 / (norm + 1e-6);
    expect(optimizer.lastRun?.gradientNorm).toBe(norm);
    expect(parameters).toEqual({ a: of(-Math.fround(Math.fround(0.1) * Math.fround(c))), b: doubles(-3 * c) });
  });

  test('clips before the sign of maximize, and before weight decay', () => {
    const parameter = of(2);
    new SGD(1, { maxNorm: 1, maximize: true, weightDecay: 0.25 }).update([parameter], [of(4)]);
    const clipped = Math.fround(4 * Math.fround(1 / Math.fround(4 + Math.fround(1e-6))));
    expect(parameter[0]).toBe(Math.fround(2 - Math.fround(0.5 - clipped)));
  });

  test('of a tree without elements is 0', () => {
    const optimizer = new SGD(1, { maxNorm: 1 });
    optimizer.update({ w: of() }, { w: of() });
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 0, gradientMax: 0 });
  });
});

describe('nonFinite', () => {
  const spoilt = [NaN, Infinity, -Infinity];

  test.each(spoilt)("'apply' takes %p as it comes", (value) => {
    const parameter = of(1, 1);
    const optimizer = new SGD(1);
    optimizer.update([parameter], [of(value, 2)]);
    expect(parameter[1]).toBe(-1);
    expect(Number.isFinite(parameter[0])).toBe(false);
    expect(optimizer.step).toBe(1);
  });

  const KEEPS: SGDOptions = { momentum: 0.9, emaDecay: 0.5, masterWeights: true, nonFinite: 'skip' };

  test.each(spoilt)("'skip' changes nothing for %p, to the bit", (value) => {
    const parameters = { w: of(1, 2), h: half(1, 2) };
    const optimizer = new SGD(0.5, KEEPS);
    optimizer.update(parameters, { w: of(1, 1), h: half(1, 2) });
    const before = [clone(parameters), clone(optimizer.state.parameters as never)];
    const { step, learningRate } = optimizer;
    optimizer.update(parameters, { w: of(0, value), h: half(1, 1) });
    expect([parameters, optimizer.state.parameters]).toEqual(before);
    expect([optimizer.step, optimizer.learningRate]).toEqual([step, learningRate]);
    expect(optimizer.lastRun).toMatchObject({ skipped: true, clipped: false });
    expect(Number.isFinite(optimizer.lastRun?.gradientMax)).toBe(false);
  });

  test.each(['mlx', 'torch'] as const)('a first step that is skipped is none, with firstStep %p', (firstStep) => {
    const optimizers = [0, 1].map(() => new SGD(0.5, { ...KEEPS, firstStep, dampening: 0.5 }));
    const trees = optimizers.map(() => ({ w: of(1, 2), h: half(1, 2) }));
    optimizers[0].update(trees[0], { w: of(NaN, 1), h: half(1, 1) });
    expect(trees[0]).toEqual(trees[1]);
    expect(optimizers[0].step).toBe(0);
    expect(vOf(optimizers[0], 'w')).toBeUndefined();
    expect(optimizers[0].averages).toEqual({ w: {}, h: {} });
    for (let i = 0; i < 3; i++) {
      optimizers.forEach((optimizer, k) => {
        optimizer.update(trees[k], { w: of(1, -1), h: half(2, 4) });
      });
      expect(trees[0]).toEqual(trees[1]);
      expect(optimizers[0].state).toEqual(optimizers[1].state);
    }
  });

  test("'skip' looks at elements alone: finite squares that overflow are no reason", () => {
    const parameter = of(1);
    const optimizer = new SGD(1, { nonFinite: 'skip' });
    optimizer.update([parameter], [of(1e30)]);
    expect(parameter[0]).toBe(Math.fround(-1e30));
    expect(optimizer.lastRun).toMatchObject({ skipped: false, gradientNorm: Infinity, gradientMax: Math.fround(1e30) });
  });

  test('the mean is tested, not each gradient', () => {
    const most = { w: of(3e38) };
    const optimizer = new SGD(1, { nonFinite: 'skip' });
    const parameters = { w: of(0) };
    const skips = (gradients: typeof most, gradientScale: number, another?: typeof most): boolean | undefined => {
      optimizer.update(parameters, another ? meanOf(gradients, another) : gradients, { gradientScale });
      return optimizer.lastRun?.skipped;
    };
    expect(skips(most, 1, most)).toBe(true); // their sum is infinite
    expect(skips(most, 10)).toBe(true);
    expect(skips(most, 0.1)).toBe(false);
  });

  test('NaN in a frozen leaf does not skip', () => {
    const optimizer = new SGD(1, { nonFinite: 'skip', trainable: /w/ });
    optimizer.update({ w: of(0), b: of(0) }, { w: of(1), b: of(NaN) });
    expect(optimizer.step).toBe(1);
  });

  test.each([
    [
      { layers: [{ w: of(0) }, { w: of(0, 0) }] },
      { layers: [{ w: of(1) }, { w: of(1, NaN) }] },
      'gradients.layers.1.w',
    ],
    [{ a: doubles(0), b: of(0) }, { b: of(1), a: doubles(Infinity) }, 'gradients.a'],
    [of(0), of(NaN), 'gradients'],
    [{ a: of(0), b: of(0) }, { a: of(1e30), b: of(1) }, 'gradients'],
  ])("'error' says which leaf, in PyTorch's words, and changes nothing", (parameters, gradients, path) => {
    const optimizer = new SGD(1, { momentum: 0.9, nonFinite: 'error', device: deviceFor(['float64']) });
    const before = clone(parameters as never);
    const failure = {
      name: 'Error',
      code: 'not-finite',
      message: expect.stringContaining(
        `${path}: The total norm of order 2.0 for gradients from \`parameters\` is non-finite, so it cannot be clipped.`,
      ) as string,
    };
    expect(
      failureOf(() => {
        optimizer.update(parameters as never, gradients as never);
      }),
    ).toEqual(failure);
    expect(failureOf(() => optimizer.applyGradients(gradients as never, parameters as never))).toEqual(failure);
    expect(parameters).toEqual(before);
    expect(optimizer.step).toBe(0);
    expect(optimizer.lastRun).toMatchObject({ skipped: true });
  });

  test('an accumulated sum is dropped by a skip and kept by an error', () => {
    for (const nonFinite of ['skip', 'error'] as const) {
      const optimizer = new SGD(1, { nonFinite });
      const parameter = of(0);
      optimizer.accumulate([of(NaN)]);
      const failure = nonFinite === 'error' ? 'not-finite' : undefined;
      const step = (): void => {
        optimizer.update([parameter], [of(1)]);
      };
      if (failure) expect(failureOf(step).code).toBe(failure);
      else step();
      expect(optimizer.state.accumulated).toBe(failure && 1);
      optimizer.discardAccumulated();
      step();
      expect(parameter[0]).toBe(-1);
    }
  });

  test('applyGradients returns copies of the parameters for a skipped step', () => {
    const optimizer = new SGD(1, { nonFinite: 'skip' });
    const parameters = { w: of(3), b: half(1) };
    const result = optimizer.applyGradients({ w: of(NaN), b: half(1) }, parameters);
    expect(result).toEqual(parameters);
    expect(result.w).not.toBe(parameters.w);
    expect(optimizer.step).toBe(0);
  });

  test('a first step that is skipped binds the optimizer to no model', () => {
    const optimizer = new SGD(1, { nonFinite: 'skip', momentum: 0.9, emaDecay: 0.5 });
    optimizer.update({ w: of(1, 2) }, { w: of(NaN, 1) });
    const other = { w: { deep: of(1, 2, 3) } };
    optimizer.update(other, { w: { deep: of(1, 1, 1) } });
    expect(other.w.deep).toEqual(of(0, 1, 2));
  });

  test('applySingle leaves lastRun alone', () => {
    const optimizer = new SGD(1, { maxNorm: 1 });
    optimizer.update([of(0)], [of(5)]);
    optimizer.maxNorm = undefined;
    optimizer.applySingle(of(1), of(1), {});
    expect(optimizer.lastRun).toMatchObject({ gradientNorm: 5, clipped: true });
  });

  test('consecutive skips never turn into applying', () => {
    const optimizer = new SGD(1, { nonFinite: 'skip' });
    const parameter = of(5);
    for (let i = 0; i < 50; i++) optimizer.update([parameter], [of(NaN)]);
    expect(parameter[0]).toBe(5);
    expect(optimizer.step).toBe(0);
  });
});

describe('lossScale', () => {
  test('65536 gives the bits of 1, norm and parameters, with clipping too', () => {
    for (const options of [{ momentum: 0.9 }, { momentum: 0.9, maxNorm: 1, weightDecay: 0.01, emaDecay: 0.5 }]) {
      const results = [1, 65536].map((lossScale) => {
        const optimizer = new SGD(0.1, { ...options, lossScale });
        const parameters = { w: Float32Array.from({ length: 999 }, (_, i) => Math.sin(i)) };
        const norms: unknown[] = [];
        for (let step = 0; step < 5; step++) {
          const gradients = { w: parameters.w.map((value, i) => Math.fround(value * Math.cos(i + step)) * lossScale) };
          optimizer.update(parameters, gradients);
          norms.push(optimizer.lastRun?.gradientNorm, optimizer.lastRun?.clipped);
        }
        return { parameters, norms, state: optimizer.state };
      });
      expect(results[0]).toEqual(results[1]);
    }
  });

  test('gradientScale / lossScale is one factor, formed in double and rounded once', () => {
    const parameter = of(0);
    new SGD(1, { lossScale: 3 }).update([parameter], [of(7)], { gradientScale: 0.1 });
    expect(parameter[0]).toBe(-Math.fround(7 * Math.fround(0.1 / 3)));
  });

  test('grows after an interval of finite steps and shrinks after others, as GradScaler', () => {
    const optimizer = new SGD(1, { lossScale: { initial: 4, growthInterval: 2 } });
    const scales = [1, Infinity, 1, 1, 1].map((value) => {
      optimizer.update([of(0)], [of(value)]);
      return optimizer.lossScale;
    });
    expect(scales).toEqual([4, 2, 2, 4, 4]);
    expect(optimizer.state.lossScale).toEqual({ scale: 4, growth: 1 });
    expect(optimizer.nonFinite).toBe('skip');
  });

  test('never grows above what has a normal reciprocal in float32', () => {
    const optimizer = new SGD(1, { lossScale: { initial: 2 ** 126, growthInterval: 1 } });
    for (let i = 0; i < 3; i++) optimizer.update([of(0)], [of(1)]);
    expect(optimizer.lossScale).toBe(2 ** 126);
  });

  test('a plain number never changes and never throws loss-scale', () => {
    const optimizer = new SGD(1, { lossScale: 0.5 });
    for (let i = 0; i < 20; i++) optimizer.update([of(0)], [of(i % 2 ? NaN : 1)]);
    expect(optimizer.lossScale).toBe(0.5);
    expect(optimizer.step).toBe(10);
    expect(optimizer.state.lossScale).toBeUndefined();
  });

  test('a dynamic one at its minimum and still not finite throws, and nothing has changed', () => {
    const optimizer = new SGD(1, { lossScale: { initial: 4, minimum: 2 }, momentum: 0.9 });
    const parameter = of(1);
    optimizer.accumulate([of(NaN)]);
    optimizer.update([parameter]);
    expect([optimizer.lossScale, optimizer.state.accumulated]).toEqual([2, undefined]);
    optimizer.accumulate([of(NaN)]);
    expect(
      failureOf(() => {
        optimizer.update([parameter]);
      }),
    ).toMatchObject({ name: 'Error', code: 'loss-scale' });
    expect([optimizer.lossScale, optimizer.state.accumulated, parameter[0], optimizer.step]).toEqual([2, 1, 1, 0]);
  });

  test('reads as a number; one assigned becomes the present scale, and growth starts anew', () => {
    const optimizer = new SGD(1, { lossScale: { initial: 4, growthInterval: 2 } });
    optimizer.update([of(0)], [of(1)]);
    optimizer.lossScale = 32;
    expect(optimizer.state.lossScale).toEqual({ scale: 32, growth: 0 });
    expect(failureOf(() => (optimizer.lossScale = 0))).toMatchObject({ code: 'invalid-option' });
    expect(failureOf(() => (optimizer.lossScale = undefined))).toMatchObject({ code: 'invalid-option' });
    const without = new SGD(1);
    expect(without.lossScale).toBeUndefined();
    expect(failureOf(() => (without.lossScale = 2))).toMatchObject({ code: 'invalid-option' });
  });

  test('goes on from a state and from a file; a fixed one stays as constructed', () => {
    const make = (lossScale: SGDOptions['lossScale']): SGD => new SGD(1, { lossScale });
    const dynamic = { initial: 4, growthInterval: 3 };
    const first = make(dynamic);
    for (const value of [NaN, 1, 1]) first.update([of(0)], [of(value)]);
    const expected = { scale: 2, growth: 2 };
    expect(first.state.lossScale).toEqual(expected);
    const assigned = make(dynamic);
    assigned.state = first.state;
    const loaded = make(dynamic);
    loaded.fromBytes(first.toBytes());
    for (const optimizer of [assigned, loaded]) {
      expect(optimizer.state.lossScale).toEqual(expected);
      optimizer.update([of(0)], [of(1)]);
      expect(optimizer.lossScale).toBe(4);
    }
    const fixed = make(7);
    fixed.fromBytes(first.toBytes());
    fixed.state = first.state;
    expect(fixed.lossScale).toBe(7);
    const fresh = make(dynamic);
    fresh.fromBytes(make(5).toBytes());
    expect(fresh.lossScale).toBe(4);
    loaded.state = { ...first.state, lossScale: undefined as never };
    assigned.fromBytes(make(5).toBytes());
    for (const optimizer of [loaded, assigned]) expect(optimizer.state.lossScale).toEqual({ scale: 4, growth: 0 });
    const none = new SGD(1);
    expect(failureOf(() => none.fromBytes(first.toBytes()))).toMatchObject({
      code: 'file-mismatch',
      message: expect.stringContaining('state.lossScale') as string,
    });
    expect(failureOf(() => (none.state = first.state))).toMatchObject({ code: 'state-mismatch' });
    for (const lossScale of [{ scale: 0, growth: 0 }, { scale: 1, growth: -1 }, { scale: 1 }, 3])
      expect(failureOf(() => (fresh.state = { ...first.state, lossScale: lossScale as never }))).toMatchObject({
        code: 'invalid-state',
      });
  });
});

describe('options', () => {
  const made = (options: object) => (): SGD => new SGD(1, options);
  const mlx = 'maxNorm: max_norm should be >=0, -1 was provided instead';

  test.each<[string, object, object]>([
    ['a negative maxNorm', { maxNorm: -1 }, rangeFailure('invalid-option', mlx)],
    ['NaN', { maxNorm: NaN }, rangeFailure('invalid-option', mlx.replace('-1', 'NaN'))],
    [
      'no number',
      { maxNorm: '1' },
      typeFailure('invalid-option', 'maxNorm: expected a number from 0 or a function of the step, received "1"'),
    ],
    [
      'maxNorm and clipValue',
      { maxNorm: 1, clipValue: 1 },
      rangeFailure(
        'invalid-option',
        'clipValue: Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Here: maxNorm and clipValue.',
      ),
    ],
    [
      'an unknown nonFinite',
      { nonFinite: 'ignore' },
      rangeFailure('invalid-option', 'nonFinite: expected apply, skip, error, received "ignore"'),
    ],
    [
      'a loss scale that applies',
      { lossScale: 2, nonFinite: 'apply' },
      rangeFailure('invalid-option', 'nonFinite: expected skip or error beside a loss scale, received "apply"'),
    ],
    [
      'a growth factor of 1',
      { lossScale: { growthFactor: 1 } },
      rangeFailure('invalid-option', 'lossScale.growthFactor: The growth factor must be > 1.0. Received 1.'),
    ],
    [
      'a backoff factor of 1',
      { lossScale: { backoffFactor: 1 } },
      rangeFailure(
        'invalid-option',
        'lossScale.backoffFactor: The backoff factor must be < 1.0. It must be above 0. Received 1.',
      ),
    ],
  ])('%s', (_, options, failure) => {
    expect(failureOf(made(options))).toEqual(failure);
  });

  test.each([
    [0, NaN, -1, Infinity, 1e300, '1', null],
    [
      { initial: 0 },
      { initial: 0.5 },
      { minimum: 0 },
      { growthInterval: 0 },
      { growthInterval: 1.5 },
      { backoffFactor: 0 },
    ],
    [
      { growthFactor: 1.00000001 },
      { backoffFactor: 0.99999999 },
      { growthFactor: Infinity },
      { growthFactor: '2' },
      { factor: 2 },
      { initial: 1e300 },
      { minimum: 1e300 },
      [],
    ],
  ])('refuses loss scales', (...scales) => {
    for (const lossScale of scales)
      expect([lossScale, failureOf(made({ lossScale })).code]).toEqual([lossScale, 'invalid-option']);
  });

  test('assigned one after another are checked together, and nothing has changed', () => {
    const optimizer = new SGD(1, { clipValue: 1 });
    expect(failureOf(() => (optimizer.maxNorm = 1))).toMatchObject({
      message: expect.stringMatching(/^maxNorm: /) as string,
    });
    expect(optimizer.maxNorm).toBeUndefined();
    const scaled = new SGD(1, { lossScale: 2 });
    expect(failureOf(() => (scaled.nonFinite = 'apply')).code).toBe('invalid-option');
    expect(scaled.nonFinite).toBe('skip');
    scaled.nonFinite = 'error';
    expect(
      failureOf(() => {
        scaled.update([of(0)], [of(NaN)]);
      }).code,
    ).toBe('not-finite');
    expect(scaled.lossScale).toBe(2);
  });

  test('a schedule of maxNorm that gives no norm says at which step, and nothing has changed', () => {
    const optimizer = new SGD(1, { maxNorm: (step) => (step === 1 ? -2 : 1) });
    const parameter = of(0);
    optimizer.update([parameter], [of(1)]);
    const before = parameter[0];
    expect(
      failureOf(() => {
        optimizer.update([parameter], [of(1)]);
      }),
    ).toEqual(rangeFailure('invalid-option', 'maxNorm at step 1: max_norm should be >=0, -2 was provided instead'));
    expect([parameter[0], optimizer.step]).toEqual([before, 1]);
  });

  test.each([{ maxNorm: 1 }, { nonFinite: 'skip' }, { lossScale: 2 }] as const)(
    'one leaf by itself takes no %j',
    (options) => {
      const optimizer = new SGD(1, options);
      expect(failureOf(() => optimizer.applySingle(of(1), of(1), {})).code).toBe('not-single');
      expect(
        failureOf(() => {
          optimizer.initSingle(of(1), {});
        }).code,
      ).toBe('not-single');
    },
  );
});
