// device 'auto' beside a GPU that fails: what fails before the caller's arrays are written leaves the step to the CPU.
import { type Lab, resultOf } from '../helpers/child';
import type { Fault } from '../helpers/simulator';

interface Told {
  readonly errors: readonly string[];
  readonly reasons: readonly string[];
  readonly digest: string;
}

/** Steps of a model that is large enough for a GPU: the first four are timed on the CPU, the others on the GPU. */
async function train({ sgd }: Lab): Promise<Told> {
  const { createHash } = await import('node:crypto');
  const parameters = { w: sgd.zeros(600_001), half: sgd.zeros(2 ** 17, 'float16') };
  const gradients = sgd.zerosLike(parameters);
  gradients.w.data.forEach((_, i, data) => (data[i] = Math.sin(i)));
  gradients.half.data.fill(0x3c01);
  const optimizer = new sgd.SGD(0.1, { momentum: 0.9, weightDecay: 0.01 });
  const errors: string[] = [];
  const reasons = new Set<string>();
  for (let i = 0; i < 8; i++) {
    try {
      optimizer.update(parameters, gradients);
    } catch (error) {
      errors.push(String((error as { code: unknown }).code));
    }
    reasons.add(optimizer.lastRun?.reason ?? 'none');
  }
  const hash = createHash('sha256').update(sgd.toBytes([parameters, optimizer.state.parameters as never]));
  return { errors, reasons: [...reasons], digest: hash.digest('hex') };
}

const trained = (...faults: Fault[]): Told => {
  const env = {
    METAL_SGD_DEVICE: '',
    METAL_SGD_THREADS: '1',
    METAL_SIM: JSON.stringify({ clock: { speed: 4 }, faults }),
  };
  return resultOf(train, undefined, { env });
};

const TIMED = 'timed on the CPU, to find the faster device';
const FAILED = "the GPU failed before it wrote anything; device: 'gpu' tells how, 'auto' tries again later";
const REFUSED = "the GPU was refused: its compiler or its self-test failed; device: 'gpu' tells how";
const AT: readonly (readonly [Fault['at'], string])[] = [
  ['newCommandQueue', FAILED],
  ['commandBuffer', FAILED],
  ['computeCommandEncoder', FAILED],
  ['newBufferWithLength', 'timed on the GPU, to find the faster device'], // plain steps in arenas make none
  ['newBufferWithBytesNoCopy', FAILED],
  ['newLibraryWithSource', REFUSED],
  ['newFunctionWithName', REFUSED],
  ['newComputePipelineStateWithFunction', REFUSED],
];

describe('no fault reaches the caller', () => {
  let healthy: Told;
  beforeAll(() => {
    healthy = trained();
  });

  test.each(AT)('%s fails always', (at, reason) => {
    const told = trained({ at, count: -1 });
    expect(told).toEqual({ errors: [], reasons: [TIMED, reason], digest: healthy.digest });
  });

  test.each([1, 2, 3, 4, 7, 8, 9, 11, 12])('every command buffer ends with error %d', (code) => {
    const told = trained({ at: 'commit', code, count: -1 });
    expect(told).toEqual({ errors: [], reasons: [TIMED, FAILED], digest: healthy.digest });
  });
});

test('the GPU is left alone for a thousand steps after a failure, then tried again', () => {
  const run = ({ sgd, simulator }: Lab): unknown => {
    const parameter = sgd.zeros(2 ** 20);
    const gradient = sgd.zerosLike(parameter);
    simulator.configure({ faults: [{ at: 'newBufferWithBytesNoCopy', count: 1 }], emptyKernel: false });
    const optimizer = new sgd.SGD(0);
    const calls: number[] = [];
    for (let i = 0; i < 4; i++) optimizer.update([parameter], [gradient]); // timed on the CPU
    for (let i = 0; i <= 1001; i++) {
      optimizer.update([parameter], [gradient]);
      if (i % 500 === 0 || i === 1001) calls.push(simulator.counters().buffersWrapped);
    }
    return calls;
  };
  // The first try proves the GPU, and fails to wrap an arena.
  const [first, middle, last, then] = resultOf(run, undefined, { env: { METAL_SGD_DEVICE: '' } }) as number[];
  expect([middle, last]).toEqual([first, first]);
  expect(then).toBeGreaterThan(first);
});

test("arenas beyond the GPU's working set are stepped on the CPU, others are not refused for them", () => {
  const run = ({ sgd }: Lab): unknown[] =>
    [2 ** 20, 2 ** 19].map((size) => {
      const parameter = sgd.zeros(size);
      const optimizer = new sgd.SGD(1, { momentum: 0.9 });
      optimizer.update([parameter], [sgd.zerosLike(parameter)]);
      return optimizer.lastRun?.reason;
    });
  // Three arenas of 4 MiB and some pages exceed it, three of 2 MiB do not.
  const env = { METAL_SGD_DEVICE: '', METAL_SIM: JSON.stringify({ recommendedMaxWorkingSetSize: 8 * 2 ** 20 }) };
  const [large, small] = resultOf(run, undefined, { env });
  expect(large).toBe('the arrays of zeros take more memory than the GPU should use');
  expect(small).toBe(TIMED);
});
