// Every failure that a warm GPU has, at each of ten moments of a training run: the error, what is left, and that training
// goes on to the same bits. Failures of the first use are in first-use.test.ts.
import { clone, SGD, type Tensor, toBytes, zeros, zerosLike } from '../../lib';
import { failure, type Failure, rejectionOf } from '../helpers/failures';
import { countedIn, type Fault, resetSimulatorAfterEach, simulator } from '../helpers/simulator';
import { elsewhere, type LeafList, Training } from '../helpers/training';

resetSimulatorAfterEach();

const LEAVES: LeafList = [
  ['weight', 'float32', 301],
  ['bias', 'float32', 7],
  ['half', 'float16', 133],
  ['brain', 'bfloat16', 75],
];

// The self-tests are over before the first fault.
beforeAll(async () => {
  await new Training(LEAVES).step('update');
});

/** What happens before each step of the run. */
const MOMENTS: Record<string, (training: Training) => void> = {
  'the first step': () => undefined,
  'the same arrays': () => undefined,
  'other gradients': (training) => {
    training.gradients = new Training(LEAVES).gradients;
  },
  'no momentum': ({ optimizer }) => {
    optimizer.momentum = 0;
  },
  'still no momentum': () => undefined,
  'momentum again': ({ optimizer }) => {
    optimizer.momentum = 0.8;
  },
  'another learning rate, and a dampening that is none': ({ optimizer }) => {
    optimizer.learningRate = 0.05;
    optimizer.dampening = -0.5;
  },
  'an assigned state': ({ optimizer }) => {
    optimizer.state = { ...optimizer.state };
  },
  'another optimizer': (training) => {
    training.replaceOptimizer();
  },
  'the last step': () => undefined,
};

const FAILED = "the GPU failed before it wrote anything; device: 'gpu' tells how, 'auto' tries again later";

const NOTHING = 'nothing was written';
const PARTLY = 'parameters and velocities of this step may be partly written';

interface Expected {
  readonly code: string;
  readonly says: RegExp;
  readonly written: typeof NOTHING | typeof PARTLY;
}

interface FaultCase {
  readonly name: string;
  readonly faults: readonly Fault[];
  /** What the step fails with, and each retry. */
  readonly failures: readonly Expected[];
  /** The leaves lie in other memory than that of `zeros`. */
  readonly staged?: boolean;
}

const COMMIT_ERRORS: readonly (readonly [code: number, name: string, says: RegExp])[] = [
  [1, 'internal', /Internal Error/],
  [2, 'timeout', /GPU Timeout Error/],
  [3, 'page-fault', /Address Fault/],
  [4, 'access-revoked', /prior\/excessive GPU errors/],
  [7, 'not-permitted', /error code 7/],
  [8, 'out-of-memory', /Insufficient Memory/],
  [9, 'invalid-resource', /Invalid Resource/],
  [10, 'internal', /error code 10/],
  [11, 'device-lost', /error code 11/],
  [12, 'stack-overflow', /error code 12/],
  [14, 'internal', /error code 14/],
];

const timeout: Expected = { code: 'timeout', says: /GPU Timeout Error/, written: PARTLY };

const noObject = (says: RegExp): Expected => ({ code: 'out-of-memory', says, written: NOTHING });

const CASES: readonly FaultCase[] = [
  ...COMMIT_ERRORS.flatMap(([code, name, says]) =>
    [false, true].map((partial) => ({
      name: `error ${String(code)}${partial ? ', half written' : ''}`,
      faults: [{ at: 'commit', code, partial } as const],
      failures: [{ code: name, says, written: PARTLY } as const],
    })),
  ),
  {
    name: 'three errors in a row',
    faults: [{ at: 'commit', code: 2, count: 3 }],
    failures: [timeout, timeout, timeout],
  },
  {
    name: 'an error and then no queue',
    faults: [{ at: 'commit', code: 2 }, { at: 'newCommandQueue' }],
    failures: [timeout, noObject(/no command queue/)],
  },
  { name: 'a missing command buffer', faults: [{ at: 'commandBuffer' }], failures: [noObject(/no command buffer/)] },
  { name: 'a missing encoder', faults: [{ at: 'computeCommandEncoder' }], failures: [noObject(/no command buffer/)] },
  { name: 'a missing wrapper', faults: [{ at: 'newBufferWithBytesNoCopy' }], failures: [noObject(/wrapped no arena/)] },
  {
    name: 'a missing second wrapper',
    faults: [{ at: 'newBufferWithBytesNoCopy', after: 1 }],
    failures: [noObject(/wrapped no arena/)],
  },
  {
    name: 'a missing staging buffer',
    faults: [{ at: 'newBufferWithLength' }],
    failures: [noObject(/no staging buffer/)],
    staged: true,
  },
  {
    name: 'an error of a staged step',
    faults: [{ at: 'commit', code: 2, partial: true }],
    failures: [timeout],
    staged: true,
  },
];

/** What a call fails with. */
const rejected = (call: () => Promise<unknown>): Promise<Failure | undefined> =>
  call().then(
    () => undefined,
    (error: unknown) => failure(error),
  );

/** One step, taken back and repeated as often as it fails. */
async function stepThroughFaults(training: Training, way: 'update' | 'updateAsync'): Promise<Failure[]> {
  const { step } = training.optimizer;
  const failures: Failure[] = [];
  for (;;) {
    const failed = await rejected(() => training.step(way));
    if (!failed) break;
    failures.push(failed);
    expect(training.optimizer.step).toBe(step);
    training.expectBystanderUntouched();
    if (failed.message.includes(NOTHING) && failures.length === 1) training.expectNothingWritten();
    training.takeBack();
  }
  expect(training.optimizer.step).toBe(step + 1);
  return failures;
}

function expectFailures(failures: readonly Failure[], expected: readonly Expected[]): void {
  expect(failures.map(({ name, code }) => ({ name, code }))).toEqual(
    expected.map(({ code }) => ({ name: 'MetalError', code })),
  );
  failures.forEach(({ message }, i) => {
    expect(message).toMatch(expected[i].says);
    expect(message).toContain(`; ${expected[i].written}`);
  });
}

describe.each(['update', 'updateAsync'] as const)('%s', (way) => {
  test.each(CASES)('fails and recovers after $name', async ({ faults, failures, staged }) => {
    let hits = 0;
    for (const moment of Object.keys(MOMENTS)) {
      const training = new Training(LEAVES, staged ? elsewhere : undefined);
      for (const [i, [name, prepare]] of Object.entries(MOMENTS).entries()) {
        prepare(training);
        training.fillGradients(i);
        simulator().configure({ faults: name === moment ? faults : [] });
        const met = await stepThroughFaults(training, way);
        // A plan that still fits makes no buffers.
        if (met.length > 0) expectFailures(met, failures);
        if (met.length > 0) hits++;
        training.accept();
      }
    }
    expect(hits).toBeGreaterThanOrEqual(faults[0].at.startsWith('newBuffer') ? 4 : 10);
    expect(simulator().live().MTLCommandBuffer).toBe(0);
  });
});

describe("device 'auto'", () => {
  /** So many that a fast GPU is taken. */
  const ELEMENTS = 450_001;
  const asked = process.env['METAL_SGD_DEVICE'];
  beforeAll(() => {
    delete process.env['METAL_SGD_DEVICE'];
  });
  beforeEach(() => {
    simulator().configure({ clock: { speed: 4 } });
  });
  afterAll(() => {
    process.env['METAL_SGD_DEVICE'] = asked;
  });

  /** Steps of nothing, each as large as one that may run on a GPU. */
  function idle(steps: number): void {
    const tree = [zeros(700_000)];
    const gradients = zerosLike(tree);
    const optimizer = new SGD(0);
    for (let i = 0; i < steps; i++) optimizer.update(tree, gradients);
  }

  const options = { momentum: 0.9, weightDecay: 0.01, dampening: 0.9 };
  const makeTree = (): { w: Tensor<'float32'>; b: Tensor<'float32'> } => zeros({ w: ELEMENTS, b: 7 });

  test.each(CASES.filter(({ staged }) => !staged))(
    'steps to the same bits through $name',
    async ({ faults, failures }) => {
      const written = failures.filter((one) => one.written === PARTLY);
      const [parameters, twin] = [makeTree(), makeTree()];
      const optimizer = new SGD(0.1, options);
      const onCpu = new SGD(0.1, { ...options, device: 'cpu' });
      optimizer.init(parameters);
      let gradients = makeTree();
      for (let i = 0; i < 8; i++)
        for (const [one, tree] of [
          [optimizer, parameters],
          [onCpu, twin],
        ] as const)
          one.update(tree, gradients);
      let hits = 0;
      for (let i = 0; i < 6; i++) {
        if (i % 3 === 2) gradients = makeTree(); // other arrays need another plan
        gradients.w.data.forEach((_, at, data) => (data[at] = ((at * 31 + i * 17) % 1009) / 1009 - 0.5));
        optimizer.momentum = onCpu.momentum = i % 4 === 3 ? 0.5 : 0.9;
        simulator().configure({ faults });
        const before = { parameters: clone(parameters), state: clone(optimizer.state) };
        const met: Failure[] = [];
        for (;;) {
          const way = i % 2 === 0 ? 'update' : 'updateAsync';
          const failed = await rejected(async () => optimizer[way](parameters, gradients));
          if (!failed) break;
          met.push(failed);
          // Only what may be partly written reaches the caller, who takes it back.
          parameters.w.data.set(before.parameters.w.data);
          parameters.b.data.set(before.parameters.b.data);
          optimizer.state = before.state;
        }
        simulator().configure({ faults: [] });
        expectFailures(met, written.slice(0, met.length));
        onCpu.update(twin, gradients);
        expect(Buffer.compare(toBytes(parameters), toBytes(twin))).toBe(0);
        const { device, reason } = optimizer.lastRun ?? { device: 'none', reason: '' };
        if (met.length > 0 || reason === FAILED) hits++;
        if (reason === FAILED)
          idle(1004); // four are timed on the CPU, then the GPU is tried again
        else expect({ device, reason }).toMatchObject({ device: 'gpu' });
      }
      // A plan that still fits makes no buffers.
      expect(hits).toBeGreaterThanOrEqual(faults[0].at.startsWith('newBuffer') ? 2 : 6);
    },
  );
});

describe('a failure', () => {
  const parameters: Tensor = zeros(1000);
  const gradients = zerosLike(parameters);

  test('makes the next step use a new queue, since Metal may ignore the old one', async () => {
    const optimizer = new SGD(0.1, { device: 'gpu' });
    const step = (): void => {
      optimizer.update([parameters], [gradients]);
    };
    step();
    simulator().configure({ faults: [{ at: 'commit', code: 4 }] });
    expect(step).toThrow(/excessive/);
    expect((await countedIn(step)).commandQueues).toBe(1);
    expect((await countedIn(step)).commandQueues).toBe(0);
  });

  test('aborts the waiting asynchronous steps before they write', async () => {
    const optimizer = new SGD(0.1, { device: 'gpu' });
    gradients.data.fill(1);
    parameters.data.fill(0);
    simulator().configure({ stepLatencyMs: 20, faults: [{ at: 'commit', after: 1, code: 2, count: 1 }] });
    const steps = Array.from({ length: 5 }, () => optimizer.updateAsync([parameters], [gradients]));
    await steps[0];
    expect(await rejectionOf(steps[1])).toMatchObject({ name: 'MetalError', code: 'timeout' });
    for (const step of steps.slice(2)) expect(await rejectionOf(step)).toMatchObject({ code: 'aborted' });
    expect(optimizer.step).toBe(1);
    expect(new Set(parameters.data)).toEqual(new Set([Math.fround(-0.1)]));
    await optimizer.updateAsync([parameters], [gradients]);
    expect(optimizer.step).toBe(2);
  });
});
