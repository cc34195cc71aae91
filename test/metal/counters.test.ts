// What a step costs in Metal's calls: one command buffer, one encoder, one dispatch, and nothing made or copied.
import { SGD, type Tensor, zeros, zerosLike } from '../../lib';
import type { Dtype } from '../../lib/tree/dtype';
import { type Counters, countedIn, expectNoMoreLive, resetSimulatorAfterEach, simulator } from '../helpers/simulator';

resetSimulatorAfterEach();

const MOMENTUM = { momentum: 0.9, weightDecay: 1e-4, device: 'gpu' } as const;
const GPU_DTYPES = ['float32', 'float16', 'bfloat16'] as const;

/** 161 leaves of a residual network's sizes, from 10 elements to some thousands, none of them a multiple of the others. */
const SHAPES = Array.from({ length: 161 }, (_, i) =>
  i % 3 === 0 ? [(i * 37) % 61 || 10, 51] : [((i * 13) % 700) + 10],
);

/** What a step may make besides the command buffer and the encoder. */
const NOTHING_MADE = {
  commandQueues: 0,
  commandBuffersDropped: 0,
  buffersAllocated: 0,
  bytesAllocated: 0,
  buffersWrapped: 0,
  bytesWrapped: 0,
  libraries: 0,
  functions: 0,
  pipelines: 0,
};

function expectCost(counters: Counters, commandBuffers: number, dispatches: number): void {
  expect(counters).toMatchObject({
    ...NOTHING_MADE,
    commandBuffers,
    encoders: commandBuffers,
    commits: commandBuffers,
    waits: commandBuffers,
    dispatches,
    setBytesCalls: dispatches,
  });
}

/** A model made by `zeros`, with gradients of the same kind that are not zero. */
function model(dtype: Dtype): { parameters: Tensor[]; gradients: Tensor[] } {
  const parameters: Tensor[] = zeros(SHAPES, dtype);
  const gradients = zerosLike(parameters);
  gradients.forEach(({ data }, i) => data.fill(i));
  return { parameters, gradients };
}

describe.each(GPU_DTYPES)('a model of 161 leaves in %s', (dtype) => {
  const { parameters, gradients } = model(dtype);
  const steps: Record<string, (optimizer: SGD) => unknown> = {
    update: (optimizer) => {
      optimizer.update(parameters, gradients);
    },
    updateAsync: (optimizer) => optimizer.updateAsync(parameters, gradients),
  };

  test.each(Object.keys(steps))(
    '%s costs one dispatch in one command buffer and makes and copies nothing',
    async (name) => {
      const optimizer = new SGD(0.1, MOMENTUM);
      for (let i = 0; i < 3; i++) await steps[name](optimizer);
      const live = simulator().live();
      for (let i = 0; i < 5; i++) {
        expectCost(await countedIn(() => steps[name](optimizer)), 1, 1);
        expect(optimizer.lastRun).toMatchObject({ device: 'gpu', copiedBytes: 0 });
      }
      expectNoMoreLive(live);
    },
  );

  test('a change of momentum makes one new plan', async () => {
    const optimizer = new SGD(0.1, MOMENTUM);
    optimizer.update(parameters, gradients);
    optimizer.momentum = 0;
    optimizer.update(parameters, gradients);
    const plain = await countedIn(() => {
      optimizer.update(parameters, gradients);
    });
    expectCost(plain, 1, 1);
    expect(plain.buffersBound).toBe(2);
  });
});

describe('applyGradients', () => {
  test('steps copies in one dispatch and keeps no wrapper', async () => {
    const { parameters, gradients } = model('float32');
    const optimizer = new SGD(0.1, MOMENTUM);
    for (let i = 0; i < 3; i++) optimizer.applyGradients(gradients, parameters);
    const live = simulator().live();
    const counters = await countedIn(() => optimizer.applyGradients(gradients, parameters));
    expect(counters).toMatchObject({ commandBuffers: 1, encoders: 1, dispatches: 1, bytesAllocated: 0 });
    expect(optimizer.lastRun?.copiedBytes).toBe(0);
    expectNoMoreLive(live);
  });
});

describe('applySingle', () => {
  test('costs one dispatch and keeps no wrapper', async () => {
    const parameter: Tensor = zeros(1000);
    const gradient = zerosLike(parameter);
    const state = {};
    const optimizer = new SGD(0.1, MOMENTUM);
    optimizer.applySingle(gradient, parameter, state);
    const live = simulator().live();
    const counters = await countedIn(() => optimizer.applySingle(gradient, parameter, state));
    expect(counters).toMatchObject({ commandBuffers: 1, encoders: 1, dispatches: 1, bytesAllocated: 0, pipelines: 0 });
    expectNoMoreLive(live);
  });
});

test('a tree of three dtypes costs three dispatches in one command buffer', async () => {
  const parameters = GPU_DTYPES.map((dtype) => zeros([[300], [77], [5]], dtype));
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, MOMENTUM);
  for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
  expectCost(
    await countedIn(() => {
      optimizer.update(parameters, gradients);
    }),
    1,
    3,
  );
});

test('a leaf without a gradient splits a dispatch in two', async () => {
  const parameters: Tensor[] = zeros([[64], [64], [64], [64]]);
  const [first, , third, fourth]: Tensor[] = zerosLike(parameters);
  const tree = Object.fromEntries(parameters.map((leaf, i) => [`p${String(i)}`, leaf]));
  const gradients = { p0: first, p2: third, p3: fourth };
  const optimizer = new SGD(0.1, MOMENTUM);
  for (let i = 0; i < 3; i++) optimizer.update(tree, gradients);
  expectCost(
    await countedIn(() => {
      optimizer.update(tree, gradients);
    }),
    1,
    2,
  );
});

test('trees that take turns, each with its optimizer, cost a dispatch each', async () => {
  const trees = GPU_DTYPES.map((dtype) => ({ ...model(dtype), optimizer: new SGD(0.1, MOMENTUM) }));
  const turn = (): void => {
    for (const { optimizer, parameters, gradients } of trees) optimizer.update(parameters, gradients);
  };
  for (let i = 0; i < 3; i++) turn();
  const live = simulator().live();
  expectCost(await countedIn(turn), 3, 3);
  expectNoMoreLive(live);
});

test('one thread steps 16 bytes of each stream', async () => {
  for (const [dtype, perThread] of [
    ['float32', 4],
    ['float16', 8],
    ['bfloat16', 8],
  ] as const) {
    for (const length of [perThread * 100, perThread * 100 + 1]) {
      const parameters: Tensor = zeros(length, dtype);
      const optimizer = new SGD(0.1, MOMENTUM);
      const gradients = zerosLike(parameters);
      const step = (): void => {
        optimizer.update([parameters], [gradients]);
      };
      step();
      expect((await countedIn(step)).threads).toBe(Math.ceil(length / perThread));
    }
  }
});
