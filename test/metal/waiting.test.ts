// A step looks at its command buffer's status before it blocks; a switch leaves that out, for comparison on a Mac.
import { type Lab, resultOf } from '../helpers/child';

function looksOfStep({ sgd, simulator }: Lab): { looks: number; waits: number } {
  const parameter = sgd.zeros(1000);
  const gradient = sgd.zerosLike(parameter);
  const optimizer = new sgd.SGD(1, { device: 'gpu' });
  optimizer.update([parameter], [gradient]);
  simulator.configure({ stepLatencyMs: 50 });
  const before = simulator.counters();
  optimizer.update([parameter], [gradient]);
  const after = simulator.counters();
  return { looks: after.looks - before.looks, waits: after.waits - before.waits };
}

test('up to 256 looks, then the wait that makes results visible', () => {
  const { looks, waits } = resultOf(looksOfStep);
  expect(waits).toBe(1);
  // One more tells whether the step failed. A busy machine may be done sooner.
  expect(looks).toBeGreaterThan(10);
  expect(looks).toBeLessThanOrEqual(257);
});

test('METAL_SGD_SWITCHES=block waits at once', () => {
  const env = { METAL_SGD_SWITCHES: 'prefetch,block' };
  expect(resultOf(looksOfStep, undefined, { env })).toEqual({ looks: 1, waits: 1 });
});
