// Under 'auto' the GPU's measured speed decides where a step runs. The simulator's speed is a setting: a GPU whose kernels
// take no time, with a quick or a slow way there, is measured first; then the kernels run again, and bits are compared.
import { type Lab, resultOf } from '../helpers/child';
import type { LastRun } from '../../lib';
import { WITHOUT_NORM } from '../helpers/lastRun';

interface Measured {
  readonly measuring: LastRun | undefined;
  readonly small: LastRun | undefined;
  readonly runs: readonly (LastRun | undefined)[];
  /** Digest of every bit of parameters and velocities. */
  readonly digest: string;
  readonly subnormals: number;
  /** Command buffers of the later steps: the crossover is measured once. */
  readonly commits: number;
}

/** Measures with `latency` milliseconds per command buffer, then steps all dtypes from values that become subnormal. */
async function measure({ sgd, simulator }: Lab, latency: number): Promise<Measured> {
  const { createHash } = await import('node:crypto');
  const step = (optimizer: InstanceType<typeof sgd.SGD>, length: number): LastRun | undefined => {
    const tree = [sgd.zeros(length)];
    optimizer.update(tree, sgd.zerosLike(tree));
    return optimizer.lastRun;
  };
  // Proved by kernels that do run.
  for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
    const parameter = sgd.zeros(8, dtype);
    new sgd.SGD(1, { device: 'gpu' }).update([parameter], [sgd.zerosLike(parameter)]);
  }
  simulator.configure({ emptyKernel: true, stepLatencyMs: latency });
  const measuring = step(new sgd.SGD(1), 2 ** 22);
  simulator.resetSettings();

  const optimizer = new sgd.SGD(0.1, { momentum: 0.9, weightDecay: 0.01 });
  const parameters = (['float32', 'float16', 'bfloat16', 'float64'] as const).map((dtype) =>
    sgd.zeros(2 ** 21 + 3, dtype),
  );
  const gradients = sgd.zerosLike(parameters);
  for (const { data, dtype } of [...parameters, ...gradients]) {
    const words = dtype === 'float32' ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
    // The low exponents, where sums and products are subnormal.
    if (dtype === 'float64') data.forEach((_, i) => (data[i] = i));
    else words.forEach((_, i) => (words[i] = dtype === 'float32' ? (i * 40503) & 0x01ffffff : (i * 40503) & 0x83ff));
  }
  const before = simulator.counters().commits;
  const runs = [0, 1, 2].map(() => {
    optimizer.update(parameters, gradients);
    return optimizer.lastRun;
  });
  const { commits } = simulator.counters();
  const hash = createHash('sha256');
  const velocities = optimizer.state.parameters as { v: { data: Float32Array } }[];
  for (const { data } of [...parameters, ...velocities.map(({ v }) => v)]) {
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const subnormals = (parameters[0].data as Float32Array).filter((w) => w !== 0 && Math.abs(w) < 2 ** -126).length;
  const small = step(new sgd.SGD(1), 1000);
  return { measuring, small, runs, digest: hash.digest('hex'), subnormals, commits: commits - before };
}

const measured = (latency: number): Measured =>
  resultOf(measure, latency, { env: { METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1' } });

describe("device 'auto'", () => {
  let fast: Measured, slow: Measured;
  beforeAll(() => {
    fast = measured(0);
    slow = measured(100);
  });

  const gpuThenCpu = {
    device: 'gpu',
    reason: 'on the GPU, then float64 leaves and memory that zeros did not make on the CPU',
    copiedBytes: 0,
    gpuSeconds: expect.any(Number) as number,
    ...WITHOUT_NORM,
  };
  const cpu = {
    device: 'cpu',
    reason: 'a step of this size is faster on the CPU',
    copiedBytes: 0,
    gpuSeconds: 0,
    ...WITHOUT_NORM,
  };

  test('runs a step on a fast GPU, and float64 leaves on the CPU', () => {
    expect(fast.measuring).toEqual({ ...gpuThenCpu, reason: 'a step of this size runs on the GPU' });
    expect(fast.runs).toEqual([gpuThenCpu, gpuThenCpu, gpuThenCpu]);
    expect(fast.commits).toBe(3);
  });

  test('runs a step on the CPU if submitting to the GPU is slow', () => {
    expect(slow.measuring).toEqual(cpu);
    expect(slow.runs).toEqual([cpu, cpu, cpu]);
    expect(slow.commits).toBe(0);
  });

  test('runs a small step on the CPU, however fast the GPU', () => {
    expect(fast.small).toEqual(cpu);
  });

  test('gives the same bits either way', () => {
    expect(fast.digest).toBe(slow.digest);
    expect([fast.subnormals, slow.subnormals]).toEqual([0, 0]);
  });
});

test('ordinary arrays and float64 leaves run on the CPU, however fast the GPU', () => {
  const run = ({ sgd, simulator }: Lab): unknown[] => {
    const float32 = new Float32Array(2 ** 18);
    const float64 = sgd.zeros(2 ** 18, 'float64');
    const runs = [float32, float64].map((parameter) => {
      const optimizer = new sgd.SGD(1);
      optimizer.update([parameter] as never, [sgd.zerosLike(parameter)] as never);
      return optimizer.lastRun;
    });
    return [...runs, simulator.counters().libraries];
  };
  const cpu = {
    device: 'cpu',
    reason: 'no leaf can run on the GPU in place: float64, or memory that zeros did not make',
    copiedBytes: 0,
    gpuSeconds: 0,
    ...WITHOUT_NORM,
  };
  expect(resultOf(run, undefined, { env: { METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1' } })).toEqual([cpu, cpu, 0]);
});

/** A step of float32 on the GPU and float64 on the CPU, of which the GPU's part fails. */
function failBeforeCpu({ sgd, simulator }: Lab): unknown {
  const prover = [sgd.zeros(2 ** 19)];
  new sgd.SGD(1, { device: 'gpu' }).update(prover, sgd.zerosLike(prover));
  simulator.configure({ emptyKernel: true });
  new sgd.SGD(1).update(prover, sgd.zerosLike(prover));
  simulator.resetSettings();
  const parameters = { single: sgd.zeros(2 ** 22), double: sgd.zeros(100, 'float64') };
  const gradients = sgd.zerosLike(parameters);
  gradients.double.data.fill(1);
  const optimizer = new sgd.SGD(1);
  simulator.configure({ faults: [{ at: 'commit', code: 8 }] });
  let code: unknown;
  try {
    optimizer.update(parameters, gradients);
  } catch (error) {
    code = (error as { code: unknown }).code;
  }
  const after = [...new Set(parameters.double.data)];
  optimizer.update(parameters, gradients);
  return { code, after, again: [...new Set(parameters.double.data)], step: optimizer.step };
}

test('a GPU failure leaves the leaves of the CPU unchanged', () => {
  const told = resultOf(failBeforeCpu, undefined, {
    env: { METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1', METAL_SIM: '{}' },
  });
  expect(told).toEqual({ code: 'out-of-memory', after: [0], again: [-1], step: 1 });
});
