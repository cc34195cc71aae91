// lastRun.gpuSeconds is what the step's command buffers took by the GPU's own clock, which the simulator keeps too.
import { type LastRun, SGD, type Tensor, zeros, zerosLike } from '../../lib';
import { failureOf, rejectionOf } from '../helpers/failures';
import { countedIn, resetSimulatorAfterEach, simulator } from '../helpers/simulator';

resetSimulatorAfterEach();

const WAYS = ['update', 'updateAsync', 'applyGradients'] as const;

interface Training {
  readonly optimizer: SGD;
  /** One leaf of `zeros`, in each way. */
  readonly step: {
    readonly update: () => void;
    readonly updateAsync: () => Promise<unknown>;
    readonly applyGradients: () => unknown;
  };
}

function training(device: 'cpu' | 'gpu'): Training {
  const parameters: Tensor[] = [zeros(5000)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(1, { momentum: 0.9, device });
  const step = {
    update: (): void => {
      optimizer.update(parameters, gradients);
    },
    updateAsync: (): Promise<unknown> => optimizer.updateAsync(parameters, gradients),
    applyGradients: (): unknown => optimizer.applyGradients(gradients, parameters),
  };
  step.update();
  return { optimizer, step };
}

const secondsOf = ({ lastRun }: SGD): number => lastRun?.gpuSeconds ?? NaN;

describe.each(WAYS)('%s', (way) => {
  test('reports the GPU time of this step alone', async () => {
    const { optimizer, step } = training('gpu');
    for (const stepLatencyMs of [30, 0]) {
      simulator().configure({ stepLatencyMs, completionDelayMs: stepLatencyMs });
      const start = performance.now();
      const { gpuNanoseconds } = await countedIn(() => step[way]());
      const wall = (performance.now() - start) / 1000;
      expect(secondsOf(optimizer) * 1e9).toBeCloseTo(gpuNanoseconds, -2);
      expect(secondsOf(optimizer)).toBeGreaterThan(stepLatencyMs / 1000);
      expect(secondsOf(optimizer)).toBeLessThan(wall);
    }
  });

  test('reports 0 on the CPU', async () => {
    const { optimizer, step } = training('cpu');
    await step[way]();
    expect(secondsOf(optimizer)).toBe(0);
  });
});

test('a failed step keeps the last report, and the next step starts from 0', async () => {
  const { optimizer, step } = training('gpu');
  const before: LastRun | undefined = optimizer.lastRun;
  const fail = (): void => {
    simulator().configure({ stepLatencyMs: 50, faults: [{ at: 'commit', code: 2 }] });
  };
  fail();
  expect(failureOf(step.update).code).toBe('timeout');
  expect(optimizer.lastRun).toEqual(before);
  fail();
  expect((await rejectionOf(step.updateAsync())).code).toBe('timeout');
  expect(optimizer.lastRun).toEqual(before);
  simulator().configure({ stepLatencyMs: 0 });
  const { gpuNanoseconds } = await countedIn(step.update);
  expect(secondsOf(optimizer) * 1e9).toBeCloseTo(gpuNanoseconds, -2);
});
