// Norm, clipping, finite test and loss scale on the GPU: bits as on the CPU, what they cost, and what a wrong GPU does.
import { globalNorm, type LastRun, SGD, type SGDOptions, zeros, zerosLike } from '../../lib';
import { expectSameBytes } from '../helpers/bits';
import { type Lab, resultOf } from '../helpers/child';
import { fillRandom } from '../helpers/random';
import { countedIn, resetSimulatorAfterEach, simulator, type SimulatorSettings } from '../helpers/simulator';

resetSimulatorAfterEach();

type Shapes = Record<string, number>;

const MANY: Shapes = { a: 5000, b: 31, c: 4096, d: 4097, e: 1 };

/** Steps both devices with the same numbers, and compares all bits. */
function compareDevices(shapes: Shapes, options: SGDOptions, steps = 2, spoiltStep = -1): LastRun | undefined {
  const models = (['cpu', 'gpu'] as const).map((device) => {
    const parameters = zeros(shapes);
    return {
      parameters,
      gradients: zerosLike(parameters),
      optimizer: new SGD(0.1, { momentum: 0.9, ...options, device }),
    };
  });
  for (let step = 0; step < steps; step++) {
    for (const { parameters, gradients, optimizer } of models) {
      Object.values(gradients).forEach(({ data }, i) => {
        fillRandom('float32', data, 100 * step + i, false);
        if (step === spoiltStep && i === 1) data[0] = Infinity;
      });
      optimizer.update(parameters, gradients);
    }
    const [cpu, gpu] = models;
    for (const key of Object.keys(shapes)) expectSameBytes(gpu.parameters[key].data, cpu.parameters[key].data, key);
    const { gradientNorm, gradientMax, clipped, skipped, lossScale } = cpu.optimizer.lastRun as LastRun;
    expect(gpu.optimizer.lastRun).toMatchObject({
      device: 'gpu',
      gradientNorm,
      gradientMax,
      clipped,
      skipped,
      lossScale,
    });
    expect(gpu.optimizer.state).toEqual(cpu.optimizer.state);
  }
  return models[1].optimizer.lastRun;
}

const DEVICES: Record<string, SimulatorSettings> = {
  'an ordinary GPU': {},
  'a GPU with short buffers': { maxBufferLength: 16384 },
  'a GPU with odd buffers': { maxBufferLength: 50_000, outOfOrder: true },
  'a GPU that takes few threads a group': { maxTotalThreadsPerThreadgroup: 96 },
};

describe.each(Object.keys(DEVICES))('on %s', (name) => {
  beforeEach(() => {
    // As the CPU flushes, also where tests run as a Mac's GPU may flush.
    simulator().configure({ positiveZero: false, flushBeforeRounding: false, ...DEVICES[name] });
  });

  test.each<SGDOptions>([
    { maxNorm: 1 },
    { maxNorm: 1e30 },
    { nonFinite: 'skip' },
    { lossScale: { initial: 8, growthInterval: 1 }, emaDecay: 0.5 },
    { maxNorm: 3, groups: [{ parameters: /[bd]/, learningRate: 2, momentum: 0 }], maximize: true },
    { maxNorm: 0.5, lossScale: 3, weightDecay: 0.01, nesterov: true },
  ])('%j has the bits of the CPU', (options) => {
    compareDevices(MANY, options);
  });

  test('a skipped step writes nothing, and a loss scale shrinks', () => {
    compareDevices(MANY, { lossScale: { initial: 8 }, momentum: 0.9 }, 3, 1);
  });

  test('leaves longer than a buffer have the norm of all their blocks', () => {
    compareDevices({ w: 50_001, b: 7, x: 16_384 }, { maxNorm: 1 });
  });
});

test('more than 4,096 blocks take a third level', () => {
  simulator().configure({ trace: false, positiveZero: false, flushBeforeRounding: false });
  const run = compareDevices({ w: 4096 * 4096 + 400_000 }, { maxNorm: 1, momentum: 0 }, 1);
  expect(run?.clipped).toBe(true);
});

/** What the third step costs. */
async function costOf(shapes: Shapes, options: SGDOptions): Promise<unknown> {
  const parameters = zeros(shapes);
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(1, { ...options, device: 'gpu' });
  const step = (): void => {
    optimizer.update(parameters, gradients);
  };
  step();
  step();
  const { commits, dispatches, barriers, buffersAllocated, buffersWrapped } = await countedIn(step);
  return { commits, dispatches, barriers, made: buffersAllocated + buffersWrapped };
}

describe('a step costs one command buffer and', () => {
  test.each<[string, Shapes, number, number]>([
    // Lanes, halves, finish, step.
    ['4 dispatches for one block', { w: 4096 }, 4, 3],
    // Another level: lanes and halves of the blocks' sums.
    ['6 dispatches for more', { w: 5000, b: 10 }, 6, 5],
  ])('%s', async (_, shapes, dispatches, barriers) => {
    expect(await costOf(shapes, { maxNorm: 1 })).toEqual({ commits: 1, dispatches, barriers, made: 0 });
  });

  test('no more than before without the options', async () => {
    expect(await costOf({ w: 4096 }, {})).toEqual({ commits: 1, dispatches: 1, barriers: 0, made: 0 });
  });
});

test('a skipped step copies nothing back', () => {
  const [w, g] = [new Float32Array(1000).fill(1), new Float32Array(1000)];
  const optimizer = new SGD(1, { nonFinite: 'skip', device: 'gpu' });
  optimizer.update([w], [g]);
  expect(optimizer.lastRun?.copiedBytes).toBe(3 * 4000);
  g[999] = NaN;
  optimizer.update([w], [g]);
  expect(optimizer.lastRun).toMatchObject({ copiedBytes: 2 * 4000, skipped: true });
  expect(w).toEqual(new Float32Array(1000).fill(1));
});

interface Told {
  readonly code?: string;
  readonly message?: string;
  readonly run: LastRun | undefined;
  readonly commits: number;
  readonly first: number;
}

interface Asked {
  readonly device: 'gpu' | 'auto';
  readonly memory?: 'arena' | 'heap' | 'float64';
  readonly faults?: SimulatorSettings['faults'];
}

/** Three steps that clip, the last one with faults; in a process of its own, whose GPU is proved anew. */
function clipThrice({ sgd, simulator: controls }: Lab, { device, memory = 'arena', faults }: Asked): Told {
  const length = 2 ** 20;
  const optimizer = new sgd.SGD(0, { maxNorm: 700, device });
  const parameters = { w: sgd.zeros(length) } as Record<string, unknown>;
  const gradients = { w: sgd.zeros(length) } as Record<string, unknown>;
  (gradients['w'] as { data: Float32Array }).data.fill(2);
  if (memory !== 'arena') {
    const Elements = memory === 'heap' ? Float32Array : Float64Array;
    parameters['x'] = new Elements(4);
    gradients['x'] = new Elements(4);
  }
  const { data } = parameters['w'] as { data: Float32Array };
  let failure: { code?: string; message?: string } = {};
  // Under 'auto' the GPU is tried after four steps.
  for (let i = 0; device === 'auto' && i < 4; i++) optimizer.update(parameters as never, gradients as never);
  optimizer.learningRate = 1;
  const before = (): number => controls.counters().commits;
  let commits = 0;
  for (let i = 0; i < 3; i++) {
    if (i === 2) {
      commits = before();
      if (faults) controls.configure({ faults });
    }
    try {
      optimizer.update(parameters as never, gradients as never);
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      failure = { code, message };
    }
  }
  return { ...failure, run: optimizer.lastRun, commits: before() - commits, first: data[0] };
}

const ask = (settings: SimulatorSettings, asked: Partial<Asked> = {}): Told => {
  const env = {
    METAL_SIM: JSON.stringify({ clock: { speed: 4 }, ...settings }),
    METAL_SGD_DEVICE: '',
    METAL_SGD_THREADS: '1',
  };
  return resultOf(clipThrice, { device: 'gpu', ...asked }, { env });
};

/** Steps by 2 times the coefficient of a norm of 2048. */
const MOVED = ((): number => {
  const [w, g] = [[new Float32Array(2 ** 20)], [new Float32Array(2 ** 20).fill(2)]];
  const optimizer = new SGD(1, { maxNorm: 700, device: 'cpu' });
  for (let i = 0; i < 3; i++) optimizer.update(w, g);
  return w[0][0];
})();

describe('a GPU', () => {
  const ran = { device: 'gpu', clipped: true, gradientNorm: 2048 };

  test('that is right forms the coefficient itself, in one command buffer', () => {
    expect(ask({})).toMatchObject({ run: ran, commits: 1, first: MOVED });
  });

  test('that is wrong in division alone leaves the coefficient to the host, between two command buffers', () => {
    expect(ask({ reciprocalDivision: true })).toMatchObject({ run: ran, commits: 2, first: MOVED });
    const asked = { device: 'auto' } as const;
    expect(ask({ reciprocalDivision: true }, asked)).toMatchObject({ run: ran, commits: 2, first: MOVED });
  });

  test.each(['norm_lanes', 'step_general'])('that fuses a * b + c in %s is refused', (contractOnly) => {
    const settings: SimulatorSettings = { contract: true, contractOnly };
    expect(ask(settings)).toMatchObject({ code: 'self-test', commits: 0, first: 0 });
    const told = ask(settings, { device: 'auto' });
    expect(told).toMatchObject({ run: { device: 'cpu', gradientNorm: 2048 }, first: MOVED });
    expect(told.run?.reason).toContain('plain');
  });

  test('that fails while it measures has written nothing, and while it steps may have', () => {
    const faults = [{ at: 'commit', code: 1, message: 'lost' }] as const;
    const apart = ask({ reciprocalDivision: true }, { faults });
    expect(apart.message).toBe('lost; nothing was written');
    const together = ask({}, { faults });
    expect(together.message).toMatch(/^lost; .*may be partly written$/);
  });

  test.each(['heap', 'float64'] as const)("under 'auto' leaves a tree with %s leaves to the CPU, whole", (memory) => {
    const told = ask({}, { device: 'auto', memory });
    expect(told).toMatchObject({ run: { device: 'cpu', gradientNorm: 2048, clipped: true }, commits: 0, first: MOVED });
    expect(told.run?.reason).toMatch(/^one device measures all gradients/);
  });

  test("under 'auto' takes a tree of zeros", () => {
    expect(ask({}, { device: 'auto' })).toMatchObject({ run: ran, first: MOVED });
  });
});

test('a tree of any length has the norm of globalNorm', () => {
  for (let length = 1; length < 9000; length += 1777) {
    const gradients = { w: zeros(length) };
    fillRandom('float32', gradients.w.data, length, false);
    const optimizer = new SGD(1, { maxNorm: 1e30, device: 'gpu' });
    optimizer.update({ w: zeros(length) }, gradients);
    expect(optimizer.lastRun?.gradientNorm).toBe(globalNorm(gradients));
  }
});
