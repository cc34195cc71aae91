// What the benchmarks fit, judge and compare.
import { comparison, ratioOfMedians } from '../../bench/compare';
import { type Case, RULES } from '../../bench/contestant';
import { CLIPPED } from '../../bench/features';
import { costMetrics } from '../../bench/costs';
import { fitLine } from '../../bench/fit';
import { goalMetrics } from '../../bench/goals';
import type { Measurement } from '../../bench/measure';
import { figure, isReached, type Metric, metricLine } from '../../bench/metrics';
import { tableOf } from '../../bench/table';
import { modelNamed } from '../../bench/models';
import { resultsWith, seriesOf } from '../helpers/benchResults';

const [, momentum] = RULES;

function given(name: string, threads = 2): Case {
  const model = modelNamed(name);
  if (!model) throw new Error(name);
  return { model, dtype: 'float32', rule: momentum, threads };
}

describe('costs', () => {
  test('a line is fitted through times, the short ones as well as the long ones', () => {
    const exact = [1, 10, 1000, 100_000].map((count) => ({ count, time: 250 + 3 * count }));
    const { fixed, each } = fitLine(exact);
    expect(fixed).toBeCloseTo(250, 6);
    expect(each).toBeCloseTo(3, 9);
    // A tenth more on the longest one, as noise may add, hardly moves the fixed part.
    const noisy = exact.map(({ count, time }) => ({ count, time: count === 100_000 ? 1.1 * time : time }));
    expect(Math.abs(fitLine(noisy).fixed - 250)).toBeLessThan(25);
  });

  test('are told per update and per leaf', () => {
    const measured = (name: string, nanoseconds: number): Measurement => ({
      given: given(name, 1),
      series: [seriesOf('metal-sgd', [nanoseconds, nanoseconds])],
    });
    const found = costMetrics([
      measured('leaf-16', 300 + 16),
      measured('leaf-1024', 300 + 1024),
      measured('list-1', 500 + 20),
      measured('list-100', 500 + 2000),
    ]);
    const values = Object.fromEntries(found.map(({ name, value }) => [name, Math.round(value)]));
    expect(values).toEqual({ 'fixed cost of update': 300, 'an element, metal-sgd': 1, 'a leaf of 64, metal-sgd': 20 });
  });
});

describe('goals', () => {
  const measured = (name: string, own: number[], c: number[], others: [string, number[]][] = []): Measurement => ({
    given: given(name),
    series: [seriesOf('metal-sgd', own), seriesOf('C', c), ...others.map(([who, samples]) => seriesOf(who, samples))],
  });
  const found = (measurements: Measurement[], start: string): Metric => {
    const metric = goalMetrics(measurements).find(({ name }) => name.startsWith(start));
    if (!metric) throw new Error(`no goal ${start}`);
    return metric;
  };

  test('are judged by the worst case, in pairs of samples', () => {
    // The machine became three times slower meanwhile, for both.
    const large = measured('leaf-25.6m', [100, 100, 300], [98, 98, 294]);
    const speed = found([large], '25.6 M float32');
    expect(speed.value).toBeCloseTo(0.98, 9);
    expect(isReached(speed)).toBe(true);
    expect(isReached(found([measured('leaf-25.6m', [100], [96])], '25.6 M float32'))).toBe(false);
    const sizes = found([measured('leaf-10k', [100], [99]), measured('leaf-1m', [100], [90])], 'sizes');
    expect([sizes.value, sizes.note]).toEqual([0.9, 'leaf-1m float32 momentum, 2 threads']);
  });

  test('leaves are compared with one leaf, small steps in microseconds', () => {
    const whole = measured('leaf-25.6m', [95], [95]);
    const leaves = measured('resnet50', [100], [100], [['metal-sgd plain', [125]]]);
    expect(found([whole, leaves], '161 leaves, speed relative to one leaf, metal-sgd').value).toBeCloseTo(0.95, 9);
    expect(found([whole, leaves], '161 leaves, speed relative to one leaf, metal-sgd plain').value).toBeCloseTo(
      0.76,
      9,
    );
    expect(found([measured('mlp', [9000], [6000])], 'perceptron')).toMatchObject({ value: 3, unit: 'us' });
    expect(found([measured('list-100k', [5e6], [1e6])], '100,000 leaves').value).toBe(50);
  });

  test('a peer that is faster beyond noise is found, one that computes something else does not count', () => {
    const beside = (name: string, samples: number[], agrees = true): Measurement => ({
      given: given('mlp'),
      series: [seriesOf('metal-sgd', [10, 10, 10, 10, 10]), { ...seriesOf(name, samples), agrees }],
    });
    const start = 'fastest peer';
    expect(isReached(found([beside('PyTorch fused', [5, 5, 5, 5, 5])], start))).toBe(false);
    expect(isReached(found([beside('PyTorch fused', [9, 9, 9, 12, 12])], start))).toBe(true);
    expect(goalMetrics([beside('PyTorch fused', [5, 5, 5, 5, 5], false)]).map(({ name }) => name)).not.toContainEqual(
      expect.stringContaining(start),
    );
  });

  test('clipping is compared with the fastest peer that computes the same', () => {
    const peer = (name: string, nanoseconds: number, agrees = true): Measurement['series'][number] => ({
      ...seriesOf(name, [nanoseconds, nanoseconds]),
      agrees,
    });
    const peers = [peer('MLX compiled', 50), peer('PyTorch fused', 20), peer('PyTorch single', 15, false)];
    const { series } = measured('leaf-25.6m', [10, 10], [9, 9]);
    const clipped = { given: { ...given('leaf-25.6m'), rule: CLIPPED }, series: [...series, ...peers] };
    expect(found([clipped], 'clipped, speed relative to C').value).toBeCloseTo(0.9, 9);
    expect(found([clipped], 'clipped, speed relative to the fastest peer').value).toBeCloseTo(2, 9);
  });

  test('are told in one line each', () => {
    const metric: Metric = { part: 'goals', name: 'a thing', value: 1.234, unit: 'us', low: 1, high: 2.5 };
    expect(metricLine(metric)).toBe('a thing: 1.23 us (1 to 2.50)');
    expect(metricLine({ ...metric, goal: { relation: 'at most', value: 1 }, note: 'mlp' })).toBe(
      'a thing: 1.23 us (1 to 2.50), mlp; at most 1: MISSED',
    );
    expect([0.12345, 12.345, 1234.5, 0].map(figure)).toEqual(['0.123', '12.3', '1235', '0']);
  });
});

test('the table has a line for each contestant; of the triad the speed is by bytes, and what is wrong is marked', () => {
  const triad = { ...seriesOf('triad', [1e6]), bytes: 120 };
  const wrong = { ...seriesOf('PyTorch fused', [4e6]), agrees: false };
  const lines = tableOf([
    { given: given('leaf-1000'), series: [seriesOf('metal-sgd', [2e6]), seriesOf('C', [1e6]), triad, wrong] },
  ]).split('\n');
  expect(lines).toHaveLength(6);
  expect(lines[2]).toMatch(/^leaf-1000 float32 momentum, 2 threads +metal-sgd +2\.00 ms .* 0\.500 /);
  expect(lines[4]).toMatch(/^ +triad +1\.00 ms .* 1\.200 /);
  expect(lines[5]).toMatch(/^ +PyTorch fused +WRONG 4\.00 ms .* 0\.250 /);
});

describe('comparison', () => {
  const noise = [100, 101, 99, 102, 98, 100, 101, 99, 100, 103, 97];
  const times = (factor: number): number[] => noise.map((one) => one * factor);

  test('bounds hold the ratio, wider with more noise, and are the same again', () => {
    const [low, middle, high] = ratioOfMedians(noise, times(1.1));
    expect(middle).toBeCloseTo(1.1, 9);
    expect(low).toBeGreaterThan(1.05);
    expect(high).toBeLessThan(1.15);
    expect(ratioOfMedians(noise, times(1.1))).toEqual([low, middle, high]);
    const wild = noise.map((one, i) => one * (i % 2 ? 2 : 0.5));
    const [wildLow, , wildHigh] = ratioOfMedians(wild, wild);
    expect(wildLow).toBeLessThan(0.7);
    expect(wildHigh).toBeGreaterThan(1.3);
  });

  test('prints what changed beyond noise, relative to C', () => {
    const old = resultsWith([seriesOf('metal-sgd', times(1)), seriesOf('C', noise)]);
    const same = resultsWith([seriesOf('metal-sgd', [...times(1)].reverse()), seriesOf('C', [...noise].reverse())]);
    expect(comparison(old, same)).toMatch(/nothing changed beyond noise$/);
    // A machine that is twice as slow for all has changed nothing but C's own time.
    const slowMachine = resultsWith([seriesOf('metal-sgd', times(2)), seriesOf('C', times(2))]);
    expect(comparison(old, slowMachine)).not.toMatch(/: metal-sgd/);
    const slower = comparison(old, resultsWith([seriesOf('metal-sgd', times(1.2)), seriesOf('C', noise)]));
    expect(slower).toMatch(/mlp float32 momentum 2: metal-sgd +1\.000 x C +1\.200 x C +\+20\.0 %/);
    expect(slower.split('\n')).toHaveLength(4);
  });

  test('compares counts exactly, medians by their quartiles, and leaves other figures alone', () => {
    const counted = (value: number): Metric => ({ part: 'gpu', name: 'dispatches', value, unit: '', isExact: true });
    const spread = (value: number): Metric => ({
      ...counted(value),
      name: 'start',
      isExact: false,
      low: value - 5,
      high: value + 5,
    });
    const loose = (value: number): Metric => ({ part: 'memory', name: 'resident', value, unit: 'MiB' });
    const text = comparison(
      resultsWith([], [counted(1), spread(50), loose(10)]),
      resultsWith([], [counted(2), spread(55), loose(20)]),
    );
    expect(text).toMatch(/gpu: dispatches +1 +2 +\+100\.0 %/);
    expect(text).not.toMatch(/start|resident/);
    expect(comparison(resultsWith([], [spread(50)]), resultsWith([], [spread(70)]))).toMatch(/gpu: start/);
  });
});
