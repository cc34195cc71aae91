// Under device 'gpu', arrays that no arena holds go through staging buffers, and lastRun says how many bytes that copied.
import { type Leaf, SGD, type Tensor, zeros, zerosLike } from '../../lib';
import { type LeafData, viewOf } from '../../lib/tree/dtype';
import { bytesOf, expectSameBytes } from '../helpers/bits';
import { failureOf, rejectionOf } from '../helpers/failures';
import { leafOver } from '../helpers/leaves';
import { countedIn, expectNoMoreLive, resetSimulatorAfterEach, simulator } from '../helpers/simulator';
import { elsewhere, type LeafList, Training } from '../helpers/training';

resetSimulatorAfterEach();

const LEAVES: LeafList = [
  ['weight', 'float32', 1001],
  ['half', 'float16', 333],
  ['brain', 'bfloat16', 2],
];
const BYTES = 1001 * 4 + (333 + 2) * 2;

/** In an ordinary array, one element into it. */
function ordinary(leaf: Leaf): Leaf {
  const { data, dtype } = leaf as Tensor;
  const copy = viewOf(
    dtype,
    new ArrayBuffer(data.byteLength + data.BYTES_PER_ELEMENT),
    data.BYTES_PER_ELEMENT,
    data.length,
  );
  copy.set(data);
  return leafOver('tensor', dtype, copy);
}

const MEMORIES: readonly (readonly [string, (leaf: Leaf) => Leaf, 'update' | 'updateAsync'])[] = [
  ['ordinary arrays, update', ordinary, 'update'],
  ['shared arrays, update', elsewhere, 'update'],
  ['shared arrays, updateAsync', elsewhere, 'updateAsync'],
];

describe.each(MEMORIES)('%s', (_, wrap, way) => {
  async function train(training: Training, from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) {
      training.fillGradients(i);
      await training.step(way);
      training.accept();
    }
  }

  test('copy five streams with momentum and three without', async () => {
    const training = new Training(LEAVES, wrap);
    await train(training, 0, 3);
    expect(training.optimizer.lastRun).toMatchObject({ device: 'gpu', copiedBytes: 5 * BYTES });
    training.optimizer.momentum = 0;
    await train(training, 3, 5);
    expect(training.optimizer.lastRun).toMatchObject({ device: 'gpu', copiedBytes: 3 * BYTES });
  });

  test('make nothing in a step once warm', async () => {
    const training = new Training(LEAVES, wrap);
    const first = await countedIn(() => train(training, 0, 3));
    expect(first.buffersAllocated).toBe(9);
    const live = simulator().live();
    expect(await countedIn(() => train(training, 3, 8))).toMatchObject({
      commandBuffers: 5,
      encoders: 5,
      buffersAllocated: 0,
      bytesAllocated: 0,
      buffersWrapped: 0,
      pipelines: 0,
    });
    expectNoMoreLive(live);
  });

  test('stage a leaf in parts if it is longer than the longest buffer', async () => {
    simulator().configure({ maxBufferLength: 1000 });
    const training = new Training(LEAVES, wrap);
    const { buffersAllocated, bytesAllocated } = await countedIn(() => train(training, 0, 3));
    expect(bytesAllocated / buffersAllocated).toBeLessThanOrEqual(1000);
    expect(training.optimizer.lastRun?.copiedBytes).toBe(5 * BYTES);
  });
});

test('a step copies only the leaves that zeros did not make', () => {
  const arena: Tensor = zeros(100);
  const plain = new Float32Array(50);
  const optimizer = new SGD(1, { momentum: 0.9, device: 'gpu' });
  const gradients = [zerosLike(arena), new Float32Array(50).fill(1)] as const;
  gradients[0].data.fill(2);
  optimizer.update([arena, plain], gradients);
  expect(optimizer.lastRun?.copiedBytes).toBe(5 * 50 * 4);
  expect([new Set(arena.data), new Set(plain)]).toEqual([new Set([-2]), new Set([-1])]);
});

test('a gradient in an ordinary array makes the step copy its parameter too', () => {
  const parameter = zeros(64);
  const optimizer = new SGD(1, { device: 'gpu' });
  optimizer.update([parameter], [new Float32Array(64).fill(3)]);
  expect(optimizer.lastRun?.copiedBytes).toBe(3 * 64 * 4);
  expect(new Set(parameter.data)).toEqual(new Set([-3]));
});

describe('float64', () => {
  const parameters = { a: zeros(10), b: { c: zeros(10, 'float64') } };
  const gradients = zerosLike(parameters);
  const refusal = {
    name: 'TypeError',
    code: 'dtype-mismatch',
    message:
      'parameters.b.c: expected a dtype that Metal has, since device is ' +
      "'gpu' (it has no double; 'auto' and 'cpu' take float64), received float64",
  };

  test("is refused by device 'gpu' with the reason, before anything is written", async () => {
    gradients.a.data.fill(1);
    const before = bytesOf(parameters.a.data).slice();
    const optimizer = new SGD(1, { momentum: 0.9, device: 'gpu' });
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }),
    ).toEqual(refusal);
    expect(await rejectionOf(optimizer.updateAsync(parameters, gradients))).toEqual(refusal);
    expect(failureOf(() => optimizer.applyGradients(gradients, parameters))).toEqual(refusal);
    expectSameBytes(parameters.a.data, before, 'the float32 leaf');
    expect(optimizer.step).toBe(0);
    expect(optimizer.state.parameters).toEqual({});
  });

  test('leaves the other leaves usable after the refusal', () => {
    const optimizer = new SGD(1, { device: 'gpu' });
    optimizer.update(parameters, { a: gradients.a });
    expect(new Set<LeafData[number]>(parameters.a.data)).toEqual(new Set([-1]));
  });
});
