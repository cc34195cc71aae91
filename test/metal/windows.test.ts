// Arenas longer than Metal's longest buffer, and leaves at any place in them: bits as always.
import { type Leaf, SGD, type Tensor, zeros, zerosLike } from '../../lib';
import { type Lab, resultOf } from '../helpers/child';
import { leafOver } from '../helpers/leaves';
import { countedIn, resetSimulatorAfterEach, simulator } from '../helpers/simulator';
import { type LeafList, Training } from '../helpers/training';

resetSimulatorAfterEach();

const KIB = 1024;

const BIG: LeafList = [
  ['first', 'float32', 11],
  ['long', 'float32', 60_001],
  ['half', 'float16', 70_003],
  ['brain', 'bfloat16', 33_333],
];

const MANY: LeafList = Array.from({ length: 90 }, (_, i) => [
  `p${String(i)}`,
  (['float32', 'float16', 'bfloat16'] as const)[i % 3],
  1 + ((i * 977) % 2500),
]);

async function train(training: Training, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    training.fillGradients(i);
    await training.step(i % 2 === 0 ? 'update' : 'updateAsync');
    training.accept();
  }
}

describe.each([64 * KIB, 16 * KIB, 100_000])('buffers of at most %i bytes', (maxBufferLength) => {
  test.each([
    ['hold the parts of a longer leaf', BIG],
    ['hold many leaves', MANY],
  ])('%s', async (_, leaves) => {
    simulator().configure({ maxBufferLength });
    const training = new Training(leaves);
    const first = await countedIn(() => train(training, 3));
    const window = Math.floor(maxBufferLength / (16 * KIB)) * 16 * KIB;
    expect(first.bytesWrapped / first.buffersWrapped).toBeLessThanOrEqual(window);
    expect(first.dispatches).toBeGreaterThan(9);
    const later = await countedIn(() => train(training, 2));
    expect(later).toMatchObject({ commandBuffers: 2, encoders: 2, buffersWrapped: 0, bytesAllocated: 0 });
  });
});

test('a window has the maximal length in whole pages', async () => {
  simulator().configure({ maxBufferLength: 100_000 });
  const [parameters, gradients]: Tensor[] = [zeros(60_000), zeros(60_000)];
  const { buffersWrapped, bytesWrapped } = await countedIn(() => {
    new SGD(1, { device: 'gpu' }).update([parameters], [gradients]);
  });
  // 240,000 bytes are 15 pages, a window is 6 of them.
  expect({ buffersWrapped, bytesWrapped }).toEqual({ buffersWrapped: 6, bytesWrapped: 2 * 15 * 16 * KIB });
});

/** The leaf without its first elements and its last one. */
function part(leaf: Leaf, skipped: number): Leaf {
  const { data, dtype } = leaf as Tensor;
  return leafOver('tensor', dtype, data.subarray(skipped, data.length - 1));
}

describe('views of parts of leaves', () => {
  const LEAVES: LeafList = [
    ['weight', 'float32', 1003],
    ['half', 'float16', 517],
    ['brain', 'bfloat16', 1001],
  ];

  // Elements per 16 bytes are 4 and 8: these are all the ways to miss them.
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('are stepped right if they skip %i elements', async (skipped) => {
    const training = new Training(LEAVES, (leaf) => part(leaf, skipped));
    await train(training, 3);
    expect(training.optimizer.lastRun).toMatchObject({ device: 'gpu', copiedBytes: 0 });
    const threads = LEAVES.map(([, dtype, length]) => {
      const perThread = dtype === 'float32' ? 4 : 8;
      // One element each where the 16 bytes of a thread would not be aligned.
      return skipped % perThread === 0 ? Math.ceil((length - skipped - 1) / perThread) : length - skipped - 1;
    });
    const counted = await countedIn(() => train(training, 1));
    expect(counted.threads).toBe(threads.reduce((sum, count) => sum + count));
  });

  test('are stepped right if only one of the three is unaligned', async () => {
    const parameter: Tensor = zeros(100);
    const gradient: Tensor = zeros(101);
    gradient.data.fill(1);
    const step = (): void => {
      new SGD(1, { momentum: 0.5, device: 'gpu' }).update(
        [parameter.data] as never,
        [gradient.data.subarray(1)] as never,
      );
    };
    expect((await countedIn(step)).threads).toBe(100);
    expect(new Set(parameter.data)).toEqual(new Set([-1]));
  });
});

describe('a step keeps the elements between two views', () => {
  const memories: Record<string, () => Float32Array> = {
    'one leaf of an arena': () => zeros(192).data,
    'shared memory': () => new Float32Array(new SharedArrayBuffer(768)),
    'an ordinary array': () => new Float32Array(192),
  };

  // Lengths that fill a thread's 16 bytes, and leave 1 to 3 elements over.
  test.each(Object.keys(memories).flatMap((memory) => [0, 0.9].map((momentum) => [memory, momentum] as const)))(
    'in %s with momentum %f',
    (memory, momentum) => {
      for (const length of [1, 2, 3, 4, 64, 65, 66, 67]) {
        const [w, g] = [memories[memory](), memories[memory]()];
        w.fill(7);
        g.fill(1);
        const cut = (data: Float32Array): Float32Array[] => [data.subarray(0, length), data.subarray(80, 80 + length)];
        new SGD(1, { momentum, device: 'gpu' }).update(cut(w), cut(g));
        const expected = new Float32Array(192)
          .fill(7)
          .fill(6, 0, length)
          .fill(6, 80, 80 + length);
        expect(Array.from(w)).toEqual(Array.from(expected));
      }
    },
  );

  test.each(['float16', 'bfloat16'] as const)('in %s, where 16 bytes are eight elements', (dtype) => {
    const one = dtype === 'float16' ? 0x3c00 : 0x3f80;
    for (let length = 1; length < 26; length++) {
      const [w, g] = [zeros(64, dtype).data, zeros(64, dtype).data.fill(one)];
      const cut = (data: Uint16Array): Tensor => ({ data: data.subarray(8, 8 + length), shape: [length], dtype });
      new SGD(1, { momentum: 0.9, device: 'gpu' }).update([cut(w)] as never, [cut(g)] as never);
      const expected = new Uint16Array(64).fill(one | 0x8000, 8, 8 + length);
      expect(Array.from(w)).toEqual(Array.from(expected));
    }
  });
});

test('a leaf without a gradient between two others keeps its values', () => {
  const parameters = zeros({ a: 64, b: 64, c: 64 });
  parameters.b.data.fill(7);
  const { a, c } = zerosLike(parameters);
  a.data.fill(1);
  c.data.fill(2);
  new SGD(1, { device: 'gpu' }).update(parameters, { a, c });
  expect([parameters.a, parameters.b, parameters.c].map(({ data }) => [...new Set(data)])).toEqual([[-1], [7], [-2]]);
});

/** A step whose one run is longer than a dispatch may be, for real: 0.9 GB, and as much for the simulator's copies. */
function longRun({ sgd, simulator: sim }: Lab): unknown {
  const length = 108_000_003;
  sim.configure({ trace: false });
  const parameters = sgd.zeros(length);
  const gradients = sgd.zerosLike(parameters);
  const last = 2 ** 20;
  // The gradient tells its place near the cut and at the end; zeros elsewhere keep pages untouched.
  const cut = Math.floor(2 ** 31 / 20 / 256) * 256;
  for (const [from, to] of [
    [0, last],
    [cut - last, length],
  ])
    for (let i = from; i < to; i++) gradients.data[i] = i % 8191;
  const optimizer = new sgd.SGD(1, { device: 'gpu' });
  optimizer.update([parameters], [gradients]);
  const { dispatches, commandBuffers, gpuNanoseconds } = sim.counters();
  optimizer.update([parameters], [gradients]);
  const after = sim.counters();
  let wrong = 0;
  for (let i = 0; i < length; i++) if (parameters.data[i] + 2 * gradients.data[i] !== 0) wrong++;
  // By the GPU's clock, all of them count.
  const untold = (optimizer.lastRun?.gpuSeconds ?? 0) * 1e9 - (after.gpuNanoseconds - gpuNanoseconds);
  return {
    wrong,
    dispatches: after.dispatches - dispatches,
    commandBuffers: after.commandBuffers - commandBuffers,
    untold: Math.round(untold / 100),
  };
}

test('a dispatch of more than 2 GiB of traffic is split over several command buffers', () => {
  expect(resultOf(longRun)).toEqual({ wrong: 0, dispatches: 2, commandBuffers: 2, untold: 0 });
});
