// Under 'auto' real steps decide which device takes the later ones. The simulator's clock says how long each takes.
import { type Lab, resultOf } from '../helpers/child';
import { WITHOUT_NORM } from '../helpers/lastRun';
import type { SimulatorClock, SimulatorSettings } from '../helpers/simulator';

const auto = (settings: SimulatorSettings): { env: Record<string, string> } => ({
  env: { METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1', METAL_SIM: JSON.stringify(settings) },
});

interface Asked {
  readonly steps: number;
  /** Milliseconds between steps. */
  readonly pause?: number;
  /** Of each leaf, in an arena of its own. */
  readonly elements?: number;
  readonly leaves?: number;
  readonly way?: 'update' | 'updateAsync' | 'applyGradients';
  /** The clock from a step on. */
  readonly later?: readonly (readonly [step: number, clock: SimulatorClock])[];
  readonly momentum?: number;
  /** Steps whose gradients are not finite. */
  readonly notFinite?: readonly number[];
}

interface Told {
  /** Runs of steps with the same device and reason: 'cpu: reason' and their number. */
  readonly runs: readonly (readonly [string, number])[];
  readonly commits: number;
  /** Libraries, queues and buffers. */
  readonly made: number;
  /** Of every bit of parameters and velocities. */
  readonly digest: string;
}

async function train({ sgd, simulator }: Lab, asked: Asked): Promise<Told> {
  const { steps, pause = 0, elements = 2 ** 19, leaves = 1, way = 'update', later = [] } = asked;
  const { momentum = 0.9, notFinite = [] } = asked;
  const { createHash } = await import('node:crypto');
  let parameters = Array.from({ length: leaves }, () => sgd.zeros(elements));
  const gradients = Array.from({ length: leaves }, () => sgd.zeros(elements));
  for (const { data } of gradients) data.forEach((_, i) => (data[i] = Math.sin(i)));
  const optimizer = new sgd.SGD(0.1, { momentum, nonFinite: notFinite.length > 0 ? 'skip' : 'apply' });
  const runs: [string, number][] = [];
  for (let step = 0; step < steps; step++) {
    const clock = later.find(([at]) => at === step)?.[1];
    if (clock) simulator.configure({ clock });
    gradients[0].data[0] = notFinite.includes(step) ? NaN : 1;
    if (way === 'applyGradients') parameters = optimizer.applyGradients(gradients, parameters);
    else await optimizer[way](parameters, gradients);
    const { device, reason } = optimizer.lastRun ?? {};
    const told = `${String(device)}: ${String(reason)}`;
    const last = runs.at(-1);
    if (last?.[0] === told) last[1]++;
    else runs.push([told, 1]);
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  const velocities = (optimizer.state.parameters as { v?: typeof parameters }[]).flatMap(({ v }) => v ?? []);
  const hash = createHash('sha256');
  for (const { data } of [...parameters, ...velocities])
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const { commits, libraries, commandQueues, buffersWrapped, buffersAllocated } = simulator.counters();
  const made = libraries + commandQueues + buffersWrapped + buffersAllocated;
  return { runs, commits, made, digest: hash.digest('hex') };
}

const trained = (clock: SimulatorClock, asked: Asked): Told =>
  resultOf(train, asked, { ...auto({ clock }), timeout: 120_000 });

const ON_CPU = ['cpu: timed on the CPU, to find the faster device', 4] as const;
const ON_GPU = ['gpu: timed on the GPU, to find the faster device', 4] as const;
/** Milliseconds of a step of 2^19 elements at 20 GB/s. */
const CPU = '0.524 ms on the CPU';

describe('the faster device stays', () => {
  test.each<[string, SimulatorClock, string]>([
    ['a GPU twice as fast', { speed: 2 }, `gpu: faster on the GPU: ${CPU}, 0.265 ms on the GPU`],
    ['a GPU a little faster', { speed: 1.05 }, `gpu: faster on the GPU: ${CPU}, 0.502 ms on the GPU`],
    ['a CPU twice as fast', { speed: 0.5 }, `cpu: faster on the CPU: ${CPU}, 1.05 ms on the GPU`],
    ['a fast GPU, a long way off', { speed: 10, latency: 5e-4 }, `cpu: faster on the CPU: ${CPU}, 0.555 ms on the GPU`],
    ['first steps that are slow', { speed: 2, coldStart: 0.5 }, `gpu: faster on the GPU: ${CPU}, 0.265 ms on the GPU`],
  ])('%s', (_, clock, last) => {
    const { runs } = trained(clock, { steps: 12 });
    expect(runs).toEqual([ON_CPU, ON_GPU, [last, 4]]);
  });

  test('the CPU, where the GPU takes long after each pause', () => {
    const { runs } = trained({ speed: 2, idlePenalty: 0.02 }, { steps: 10, pause: 1000 });
    expect(runs).toEqual([ON_CPU, ON_GPU, [`cpu: faster on the CPU: ${CPU}, 20.3 ms on the GPU`, 2]]);
  }, 30_000);

  test('the CPU, where each of 2,500 leaves in arenas of their own is a dispatch', () => {
    const { runs } = trained({ speed: 10 }, { steps: 9, elements: 1000, leaves: 2500 });
    expect(runs).toEqual([ON_CPU, ON_GPU, [expect.stringMatching(/^cpu: faster on the CPU/), 1]]);
  }, 120_000);

  test('in other memory at each step too, and off the main thread', () => {
    const last = [`gpu: faster on the GPU: ${CPU}, 0.265 ms on the GPU`, 2];
    for (const way of ['applyGradients', 'updateAsync'] as const)
      expect(trained({ speed: 2 }, { steps: 10, way }).runs).toEqual([ON_CPU, ON_GPU, last]);
  });
});

test('bits are equal whichever is chosen', () => {
  const [onGpu, onCpu] = [{ speed: 4 }, { speed: 0.25 }].map((clock) => trained(clock, { steps: 20 }));
  expect(onGpu.runs.at(-1)?.[0]).toMatch(/^gpu/);
  expect(onCpu.runs.at(-1)?.[0]).toMatch(/^cpu/);
  expect(onGpu.digest).toBe(onCpu.digest);
});

test('where times change, the other device is tried soon, and rarely without', () => {
  const later = [
    [40, { speed: 0.25 }],
    [100, { speed: 4 }],
  ] as const;
  const { runs } = trained({ speed: 4 }, { steps: 1000, later });
  const devices = runs.map(([told, count]) => `${told.slice(0, 3)} ${String(count)}`);
  // Steps of 16 make one mean. The CPU's own time says nothing of a GPU that became faster: 200 steps pass.
  expect(devices[0]).toBe('cpu 4');
  const onGpuFirst = runs.slice(1).findIndex(([told]) => told.startsWith('cpu'));
  const before = runs.slice(1, 1 + onGpuFirst).reduce((sum, [, count]) => sum + count, 0);
  expect(before).toBeGreaterThanOrEqual(36);
  expect(before).toBeLessThanOrEqual(36 + 32);
  expect(runs.at(-1)?.[0]).toMatch(/^gpu: faster/);
  expect(runs.at(-1)?.[1]).toBeGreaterThan(200);
}, 60_000);

test('one step that takes long changes nothing', () => {
  const later = [
    [20, { speed: 2, latency: 1 }],
    [21, { speed: 2 }],
  ] as const;
  const { runs } = trained({ speed: 2 }, { steps: 60, later });
  expect(runs.filter(([told]) => told.startsWith('cpu'))).toEqual([ON_CPU]);
});

test('the GPU is asked for nothing before it is tried', () => {
  const { runs, made } = trained({ speed: 2 }, { steps: 4 });
  expect({ runs, made }).toEqual({ runs: [ON_CPU], made: 0 });
});

test('trials of a slower device cost two hundredths of the time at most', () => {
  const { runs } = trained({ speed: 1, latency: 0.02 }, { steps: 2000, elements: 2 ** 19 });
  const onGpu = runs.filter(([told]) => told.startsWith('gpu')).reduce((sum, [, count]) => sum + count, 0);
  expect(onGpu).toBe(4); // 80 ms more, of 1 s in all
  const near = trained({ speed: 0.8 }, { steps: 1000 }).runs.filter(([told]) => told.startsWith('gpu'));
  expect(near.length).toBeGreaterThanOrEqual(3);
  expect(near.length).toBeLessThanOrEqual(5);
}, 120_000);

test('steps that changed nothing are not timed', () => {
  const { runs } = trained({ speed: 2 }, { steps: 8, notFinite: [0, 1, 3, 5] });
  expect(runs).toEqual([['cpu: timed on the CPU, to find the faster device', 8]]);
});

test('steps that move less than 8 MiB never wake the GPU', () => {
  const { runs, commits } = trained({ speed: 1000 }, { steps: 20, elements: 419_430 });
  expect(runs).toEqual([['cpu: steps that move less than 8 MiB never wake the GPU', 20]]);
  expect(commits).toBe(0);
  const [below, above] = [699_050, 699_051].map((elements) =>
    trained({ speed: 9 }, { steps: 5, elements, momentum: 0 }),
  );
  expect([below.runs.length, above.runs.length]).toEqual([1, 2]);
  const { runs: larger } = trained({ speed: 1000 }, { steps: 5, elements: 419_431 });
  expect(larger.at(-1)?.[0]).toBe(ON_GPU[0]);
});

test('the CPU times nothing where nothing is to be chosen', () => {
  const look = ({ sgd }: Lab): unknown[] => {
    const float32 = new Float32Array(2 ** 21);
    const float64 = sgd.zeros(2 ** 20, 'float64');
    const told: unknown[] = [];
    for (const parameter of [float32, float64]) {
      const optimizer = new sgd.SGD(1);
      for (let i = 0; i < 10; i++) optimizer.update([parameter] as never, [sgd.zerosLike(parameter)] as never);
      told.push(optimizer.lastRun);
    }
    return told;
  };
  const cpu = {
    device: 'cpu',
    reason: 'no leaf can run on the GPU in place: float64, or memory that zeros did not make',
    copiedBytes: 0,
    gpuSeconds: 0,
    ...WITHOUT_NORM,
  };
  expect(resultOf(look, undefined, auto({ clock: { speed: 10 } }))).toEqual([cpu, cpu]);
});

/** A step of float32 on the GPU and float64 on the CPU, of which the GPU's part fails. */
function failBeforeCpu({ sgd, simulator }: Lab): unknown {
  const parameters = { single: sgd.zeros(2 ** 20), double: sgd.zeros(100, 'float64') };
  const gradients = sgd.zerosLike(parameters);
  gradients.double.data.fill(1);
  const optimizer = new sgd.SGD(0);
  for (let i = 0; i < 8; i++) optimizer.update(parameters, gradients);
  optimizer.learningRate = 1;
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
  const told = resultOf(failBeforeCpu, undefined, auto({ clock: { speed: 10 } }));
  expect(told).toEqual({ code: 'out-of-memory', after: [0], again: [-1], step: 9 });
});

/** Steps all dtypes from values that become subnormal, until a device has been chosen. */
async function stepSubnormals({
  sgd,
}: Lab): Promise<{ digest: string; device: string | undefined; subnormals: number }> {
  const { createHash } = await import('node:crypto');
  const optimizer = new sgd.SGD(0.1, { momentum: 0.9, weightDecay: 0.01 });
  const dtypes = ['float32', 'float16', 'bfloat16', 'float64'] as const;
  const parameters = dtypes.map((dtype) => sgd.zeros(2 ** 18 + 3, dtype));
  const gradients = sgd.zerosLike(parameters);
  for (const { data, dtype } of [...parameters, ...gradients]) {
    const words = dtype === 'float32' ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
    // The low exponents, where sums and products are subnormal.
    if (dtype === 'float64') data.forEach((_, i) => (data[i] = i));
    else words.forEach((_, i) => (words[i] = dtype === 'float32' ? (i * 40503) & 0x01ffffff : (i * 40503) & 0x83ff));
  }
  for (let i = 0; i < 10; i++) optimizer.update(parameters, gradients);
  const hash = createHash('sha256');
  const velocities = optimizer.state.parameters as { v: { data: Float32Array } }[];
  for (const { data } of [...parameters, ...velocities.map(({ v }) => v)])
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const isSubnormal = (w: number): boolean => w !== 0 && Math.abs(w) < 2 ** -126;
  const subnormals = (parameters[0].data as Float32Array).filter(isSubnormal).length;
  return { digest: hash.digest('hex'), device: optimizer.lastRun?.device, subnormals };
}

test('subnormals of all dtypes have the same bits whichever is chosen', () => {
  const [onGpu, onCpu] = [4, 0.25].map((speed) => resultOf(stepSubnormals, undefined, auto({ clock: { speed } })));
  expect([onGpu.device, onCpu.device]).toEqual(['gpu', 'cpu']);
  expect(onGpu.digest).toBe(onCpu.digest);
  expect([onGpu.subnormals, onCpu.subnormals]).toEqual([0, 0]);
});
