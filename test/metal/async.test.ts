// Asynchronous steps on the GPU: the event loop stays free, and nothing that ends early does harm.
import { type Lab, resultOf, runChild } from '../helpers/child';
import { WITHOUT_NORM } from '../helpers/lastRun';
import type { SimulatorSettings } from '../helpers/simulator';

const METAL = (settings: SimulatorSettings): { env: Record<string, string> } => ({
  env: { METAL_SIM: JSON.stringify(settings), METAL_SGD_DEVICE: 'gpu' },
});

/** Longest time between two turns of the event loop, in milliseconds, during the first step and during later ones. */
async function longestTurns({ sgd, simulator }: Lab): Promise<Record<string, number>> {
  const parameters = sgd.zeros({ w: 100_000, b: 10 });
  const gradients = sgd.zerosLike(parameters);
  const optimizer = new sgd.SGD(1, { momentum: 0.9 });
  const during = async (work: () => Promise<unknown>): Promise<{ turn: number; whole: number }> => {
    let turn = 0;
    const start = performance.now();
    let last = start;
    const timer = setInterval(() => {
      turn = Math.max(turn, performance.now() - last);
      last = performance.now();
    }, 1);
    await work();
    clearInterval(timer);
    const whole = performance.now() - start;
    return { turn: Math.max(turn, performance.now() - last), whole };
  };
  const first = await during(() => optimizer.updateAsync(parameters, gradients));
  simulator.configure({ stepLatencyMs: 300 });
  const step = await during(() => optimizer.updateAsync(parameters, gradients));
  return { firstTurn: first.turn, first: first.whole, stepTurn: step.turn, step: step.whole };
}

test('neither compiling for 500 ms nor a step of 300 ms blocks the event loop for 100 ms', () => {
  const turns = resultOf(longestTurns, undefined, METAL({ compileLatencyMs: 500 }));
  expect(turns['first']).toBeGreaterThan(500);
  expect(turns['step']).toBeGreaterThan(300);
  expect(turns['firstTurn']).toBeLessThan(100);
  expect(turns['stepTurn']).toBeLessThan(100);
});

/** `updateAsync`, then `update` at once; then both again. */
async function updateAtOnce({ sgd, simulator }: Lab, device: 'auto' | 'gpu'): Promise<unknown> {
  const tensor = (length: number): { data: Float32Array; shape: number[]; dtype: 'float32' } => {
    return { data: new Float32Array(new SharedArrayBuffer(length * 4)), shape: [length], dtype: 'float32' };
  };
  const make = (): Record<string, { data: Float32Array }> => ({
    arena: sgd.zeros(2 ** 20),
    staged: tensor(1000),
    ...(device === 'auto' ? { double: sgd.zeros(1000, 'float64') as never } : {}),
  });
  const [parameters, gradients] = [make(), make()];
  for (const { data } of Object.values(gradients)) data.fill(1);
  const optimizer = new sgd.SGD(0, { device });
  // Under 'auto' both devices have been timed after eight steps.
  for (let i = 0; i < 8; i++) optimizer.update(parameters as never, gradients as never);
  const before = optimizer.step;
  optimizer.learningRate = 1;
  simulator.configure({ stepLatencyMs: 50 });
  const codes: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const pending = optimizer.updateAsync(parameters as never, gradients as never);
    try {
      optimizer.update(parameters as never, gradients as never);
    } catch (error) {
      codes.push((error as { code: unknown }).code);
    }
    await pending;
    optimizer.update(parameters as never, gradients as never);
  }
  const values = Object.values(parameters).map(({ data }) => [...new Set(data)]);
  return { codes, values, step: optimizer.step - before, lastRun: optimizer.lastRun };
}

test.each([
  ['gpu', "device is 'gpu'", 3 * 4000],
  [
    'auto',
    'faster on the GPU: 0.629 ms on the CPU, 0.160 ms on the GPU; float64 leaves and memory that zeros did not make ran on the CPU',
    0,
  ],
] as const)(
  "device '%s': update right after updateAsync throws busy, and neither hangs",
  (device, reason, copiedBytes) => {
    const { values, ...told } = resultOf(updateAtOnce, device, {
      env: { METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1', METAL_SIM: '{"clock":{"speed":4}}' },
      timeout: 20_000,
    }) as Record<string, unknown>;
    const gpuSeconds: unknown = expect.any(Number);
    const lastRun = { device: 'gpu', reason, copiedBytes, gpuSeconds, ...WITHOUT_NORM };
    expect(told).toEqual({ codes: ['busy', 'busy'], step: 4, lastRun });
    expect(values).toEqual(Array(device === 'auto' ? 3 : 2).fill([-4]));
  },
);

/** Steps with trees that are new, and so checked, while one of the same arrays is in flight. */
async function checkInFlight({ sgd, simulator }: Lab): Promise<unknown> {
  const parameters = sgd.zeros({ w: 5000, b: 3 });
  const gradients = sgd.zerosLike(parameters);
  gradients.w.data.fill(1);
  const optimizer = new sgd.SGD(1);
  await optimizer.updateAsync(parameters, gradients);
  simulator.configure({ stepLatencyMs: 300 });
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const { commits } = simulator.counters();
  let settled = false;
  const first = optimizer.updateAsync(parameters, gradients).finally(() => (settled = true));
  while (simulator.counters().commits === commits) await wait(1);
  await wait(20); // counted first, protected then
  const second = optimizer.updateAsync({ ...parameters }, { ...gradients });
  let code: unknown;
  try {
    optimizer.update({ ...parameters }, { ...gradients });
  } catch (error) {
    code = (error as { code: unknown }).code;
  }
  const inFlight = !settled;
  await Promise.all([first, second]);
  return { inFlight, code, values: [...new Set(parameters.w.data)] };
}

test('checks of arrays in flight do not read their elements', () => {
  expect(resultOf(checkInFlight, undefined, METAL({}))).toEqual({ inFlight: true, code: 'busy', values: [-3] });
});

/** Settings under which a step, started on a cold or a warm GPU, is at its stage for some 100 ms. */
const STAGES: readonly (readonly [name: string, warm: boolean, settings: SimulatorSettings])[] = [
  ['a step that compiles kernels', false, { compileLatencyMs: 150 }],
  ['a step that makes pipelines', false, { pipelineLatencyMs: 50 }],
  ['a step that runs the self-test', false, { stepLatencyMs: 20 }],
  ['a step in flight', true, { stepLatencyMs: 150 }],
  ['a step that completes', true, { completionDelayMs: 150 }],
];

interface Stage {
  readonly warm: boolean;
  readonly settings: SimulatorSettings;
}

/** Steps whose arrays nobody else holds, while the collector runs. */
async function dropReferences(lab: Lab, { warm, settings }: Stage): Promise<unknown> {
  const { sgd, simulator } = lab;
  const start = (): Promise<unknown> => {
    const parameters = sgd.zeros({ w: 5000, b: 3 });
    return new sgd.SGD(1, { momentum: 0.5 }).updateAsync(parameters, sgd.zerosLike(parameters));
  };
  if (warm) await start();
  simulator.configure(settings);
  const steps = [start(), start(), start()];
  const all = Promise.all(steps).then(() => true);
  let collections = 0;
  for (let settled = false; !settled; collections++) {
    await lab.collect();
    settled = await Promise.race([all, Promise.resolve(false)]);
  }
  await lab.collect();
  return { collected: collections > 2, buffers: simulator.live().MTLBuffer };
}

/** A worker is terminated with steps on their way; what it leaves must then stay as it is. */
async function terminateWorker(lab: Lab, { warm, settings }: Stage): Promise<unknown> {
  const { sgd, simulator } = lab;
  const { parameters, gradients } = { parameters: sgd.zeros(5000), gradients: sgd.zeros(5000) };
  gradients.data.fill(1);
  const worker = lab.worker(
    async (inside, given: { parameters: Float32Array; gradients: Float32Array; stage: Stage }) => {
      const optimizer = new inside.sgd.SGD(1);
      const step = (): Promise<unknown> => optimizer.updateAsync([given.parameters], [given.gradients]);
      if (given.stage.warm) await step();
      inside.simulator.configure(given.stage.settings);
      for (let i = 0; i < 5; i++) void step();
      inside.workers.parentPort?.postMessage('started');
    },
    { parameters: parameters.data, gradients: gradients.data, stage: { warm, settings } },
  );
  await lab.message(worker);
  await new Promise((resolve) => setTimeout(resolve, 60));
  await worker.terminate();
  simulator.resetSettings();
  const left = parameters.data.slice();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const unchanged = parameters.data.every((w, i) => w === left[i]);
  const whole = new Set(left).size === 1;
  const optimizer = new sgd.SGD(1);
  await optimizer.updateAsync([parameters], [gradients]);
  const works = parameters.data.every((w, i) => w === left[i] - 1);
  return { unchanged, whole, works, steps: left[0] <= 0 && left[0] >= -3 };
}

/** The process exits with a step on its way. */
async function exitProcess({ sgd, simulator }: Lab, { warm, settings }: Stage): Promise<void> {
  const parameters = sgd.zeros(5000);
  const optimizer = new sgd.SGD(1);
  const step = (): Promise<unknown> => optimizer.updateAsync([parameters], [sgd.zerosLike(parameters)]);
  if (warm) await step();
  simulator.configure(settings);
  void step();
  void step();
  setTimeout(() => process.exit(7), 60);
  await new Promise((resolve) => setTimeout(resolve, 10_000));
}

describe.each(STAGES)('%s', (_, warm, settings) => {
  const stage = { warm, settings };

  test('survives the loss of every reference', () => {
    expect(resultOf(dropReferences, stage)).toEqual({ collected: true, buffers: 0 });
  });

  test('lets its worker be terminated', () => {
    const whole = { unchanged: true, whole: true, works: true, steps: true };
    expect(resultOf(terminateWorker, stage)).toEqual(whole);
  });

  test('lets the process exit', () => {
    const { status, stderr } = runChild(exitProcess, stage);
    expect({ status, stderr }).toEqual({ status: 7, stderr: '' });
  });
});
