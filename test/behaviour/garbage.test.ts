// Memory over time, in processes of their own: what is dropped comes back, and a warm step makes no garbage.
import { resultOf } from '../helpers/child';
import type * as nativeFile from '../../lib/addon/native';

// A simulated GPU takes its time.
const STEPS = process.env['METAL_SGD_DEVICE'] === 'gpu' ? 1500 : 10_000;

test(`400 dropped arenas of 16 MiB and ${String(STEPS)} applyGradients stay under 1 GiB resident`, () => {
  const peak = resultOf(async ({ sgd }, steps) => {
    for (let i = 0; i < 400; i++) {
      sgd.zeros(2 ** 22).data.fill(i);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const optimizer = new sgd.SGD(0.1, { momentum: 0.9 });
    const gradients = sgd.zeros({ weight: [128, 64], bias: [128] });
    let parameters = sgd.zerosLike(gradients);
    for (let i = 0; i < steps; i++) {
      parameters = optimizer.applyGradients(gradients, parameters);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return process.resourceUsage().maxRSS / 1024;
  }, STEPS);
  expect(peak).toBeLessThan(1024);
});

test('so do they in one go, without a turn of the event loop', () => {
  const peak = resultOf(({ sgd }, steps) => {
    for (let i = 0; i < 400; i++) sgd.zeros(2 ** 22).data.fill(i);
    const optimizer = new sgd.SGD(0.1, { momentum: 0.9 });
    const gradients = sgd.zeros({ weight: [128, 64], bias: [128] });
    let parameters = sgd.zerosLike(gradients);
    for (let i = 0; i < steps; i++) parameters = optimizer.applyGradients(gradients, parameters);
    return process.resourceUsage().maxRSS / 1024;
  }, STEPS);
  expect(peak).toBeLessThan(1024);
});

test('arenas that are allocated, used, dropped and collected 1,000 times give right values at old addresses', () => {
  const found = resultOf(async (lab) => {
    const { sgd } = lab;
    const { native } = lab.internal('addon/native') as typeof nativeFile;
    const addresses = new Set<number>();
    let wrong = 0;
    for (let i = 0; i < 1000; i++) {
      const parameters = sgd.zeros({ w: 3000, b: 10 });
      const gradients = sgd.zerosLike(parameters);
      gradients.w.data.fill(i);
      addresses.add(native().addresses([parameters.w.data])[0]);
      const optimizer = new sgd.SGD(1, { momentum: 0.5 });
      optimizer.update(parameters, gradients);
      optimizer.update(parameters, gradients);
      if (!parameters.w.data.every((w) => w === -2.5 * i) || !parameters.b.data.every((w) => w === 0)) wrong++;
      if (i % 20 === 19) await lab.collect();
    }
    return { wrong, cameBack: addresses.size < 900 };
  });
  expect(found).toEqual({ wrong: 0, cameBack: true });
});

test('100,000 updates allocate at most 1 KiB per 10,000 on the heap', () => {
  const windows = resultOf(({ sgd }) => {
    const parameters = sgd.zeros({ hidden: { weight: [8, 4], bias: 8 }, output: { weight: [2, 8], bias: 2 } });
    const gradients = sgd.zerosLike(parameters);
    const optimizer = new sgd.SGD(0.1, { momentum: 0.9, weightDecay: 1e-4, device: 'cpu' });
    const used = new Float64Array(11);
    // All code is compiled by then; nothing is collected from here on, so that the heap can only grow.
    for (let i = 0; i < 200_000; i++) optimizer.update(parameters, gradients);
    for (let i = 0; i < 3; i++) process.memoryUsage();
    for (let window = 0; window <= 10; window++) {
      used[window] = process.memoryUsage().heapUsed;
      for (let i = 0; i < 10_000; i++) optimizer.update(parameters, gradients);
    }
    return Array.from(used.subarray(1), (bytes, i) => bytes - used[i]);
  });
  expect(windows).toHaveLength(10);
  // Nothing was collected meanwhile.
  expect(Math.min(...windows)).toBeGreaterThanOrEqual(0);
  // The middle one: garbage of updates is in every window, what V8 takes late for itself (from Node 24 on) in one or two.
  windows.sort((a, b) => a - b);
  expect(windows[5]).toBeLessThanOrEqual(1024);
});
