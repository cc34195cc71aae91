// The tests of behaviour for longer: workers that are terminated, memory that must not grow, histories of changed trees.
import { checkCaching } from '../helpers/cachingProperty';
import { resultOf } from '../helpers/child';
import { terminateWorkers } from '../helpers/terminate';

test('2,000 workers can be terminated with steps in flight', () => {
  const { threadsLeft, ...ends } = resultOf(terminateWorkers, 2000, { timeout: 900_000 });
  expect(ends).toEqual({ errors: 0, ended: 2000 });
  expect(threadsLeft).toBeLessThan(8);
}, 900_000);

test('resident memory does not grow in three minutes of optimizers that come and go', () => {
  const resident = resultOf(
    async (lab, seconds) => {
      const { sgd } = lab;
      const readings: number[] = [];
      const end = performance.now() + seconds * 1000;
      for (let i = 0, next = performance.now(); performance.now() < end; i++) {
        const parameters = sgd.zeros({ w: 1000 + (i % 7) * 40_000, b: [i % 5], list: [[3], [i % 3, 4]] });
        const gradients = sgd.clone(parameters);
        const optimizer = new sgd.SGD(sgd.cosineDecay(0.1, 10), { momentum: 0.9 });
        optimizer.update(parameters, gradients);
        const pending = [optimizer.updateAsync(parameters, gradients), optimizer.updateAsync(parameters, gradients)];
        await Promise.all(pending);
        optimizer.state = sgd.clone(optimizer.state);
        sgd.clone(optimizer.applyGradients(gradients, parameters));
        await optimizer.updateAsync(parameters, gradients.w as never).catch(() => undefined);
        if (performance.now() < next) continue;
        next += (seconds * 1000) / 12;
        await lab.collect();
        readings.push(process.memoryUsage().rss / 2 ** 20);
      }
      return readings;
    },
    180,
    { timeout: 300_000 },
  );
  const [settled, last] = [resident.slice(2, 5), resident.slice(-3)].map((some) => Math.min(...some));
  expect(resident.length).toBeGreaterThan(8);
  expect(last - settled).toBeLessThan(32);
}, 300_000);

test.each([1, 2, 3])(
  'an optimizer steps the same objects as it steps copies of them, seed %i',
  (seed) => {
    checkCaching(seed, 4000);
  },
  600_000,
);
