// One Metal buffer per arena and process, whoever holds the arena and wherever it lies.
import { type LastRun, SGD, zeros, zerosLike } from '../../lib';
import type * as nativeFile from '../../lib/addon/native';
import { type Lab, resultOf } from '../helpers/child';
import { WITHOUT_NORM } from '../helpers/lastRun';
import { countedIn } from '../helpers/simulator';

test('two optimizers and two trees over the same arenas share their buffers', async () => {
  const parameters = zeros({ a: 100, b: 5000 });
  const gradients = zerosLike(parameters);
  const optimizers = [new SGD(1, { device: 'gpu' }), new SGD(2, { device: 'gpu' })];
  new SGD(1, { device: 'gpu' }).update([zeros(1)], [zeros(1)]); // proves the GPU
  const counted = await countedIn(() => {
    for (const optimizer of optimizers) {
      optimizer.update(parameters, gradients);
      optimizer.update({ b: parameters.b }, { b: gradients.b });
    }
  });
  expect(counted.buffersWrapped).toBe(2);
});

/** Arenas of changing sizes, each dropped before the next, which often gets its address while the old plan is not yet freed. */
async function reuseAddresses(lab: Lab): Promise<unknown> {
  const { sgd, simulator } = lab;
  const { native } = lab.internal('addon/native') as typeof nativeFile;
  const addresses = new Set<number>();
  let wrong = 0;
  const step = (round: number): void => {
    const parameters = sgd.zeros({ w: 4096 * (1 + (round % 7)) - 17, b: 10 });
    const gradients = sgd.zerosLike(parameters);
    gradients.w.data.fill(round);
    addresses.add(native().addresses([parameters.w.data])[0]);
    const optimizer = new sgd.SGD(1, { momentum: 0.5, device: 'gpu' });
    optimizer.update(parameters, gradients);
    optimizer.update(parameters, gradients);
    if (!parameters.w.data.every((w) => w === -2.5 * round) || !parameters.b.data.every((w) => w === 0)) wrong++;
  };
  for (let round = 0; round < 100; round++) {
    step(round);
    // Not awaited: the memory is free at once, what was made for it only when finalizers run.
    globalThis.gc?.();
    if (round % 10 === 9) await lab.collect();
  }
  await lab.collect();
  return { wrong, cameBack: addresses.size < 80, buffers: simulator.live().MTLBuffer };
}

test('a new arena at the address of a dropped one gets buffers of its own', () => {
  expect(resultOf(reuseAddresses, undefined, { timeout: 30_000 })).toEqual({ wrong: 0, cameBack: true, buffers: 0 });
});

interface Halves {
  readonly mine: Float32Array;
  readonly theirs: Float32Array;
  readonly gradients: Float32Array;
}

/** The main thread and a worker step the two leaves of one arena, at the same time. */
async function shareArena(lab: Lab): Promise<unknown> {
  const { sgd, simulator } = lab;
  const { mine, theirs } = sgd.zeros({ mine: 3000, theirs: 3000 });
  const gradients = sgd.zeros(3000);
  gradients.data.fill(1);
  const worker = lab.worker(
    async ({ sgd: inside, workers }, halves: Halves) => {
      const optimizer = new inside.SGD(1, { device: 'gpu' });
      for (let i = 0; i < 100; i++) {
        optimizer.update([halves.theirs], [halves.gradients]);
        await optimizer.updateAsync([halves.theirs], [halves.gradients]);
      }
      workers.parentPort?.postMessage('done');
    },
    { mine: mine.data, theirs: theirs.data, gradients: gradients.data },
  );
  const done = lab.message(worker);
  const optimizer = new sgd.SGD(1, { device: 'gpu' });
  let steps = 0;
  for (let over = false; !over; steps++) {
    await optimizer.updateAsync([mine], [gradients]);
    over = await Promise.race([done.then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))]);
  }
  await worker.terminate();
  const sums = [mine, theirs].map(({ data }) => [...new Set(data)]);
  return { sums, expected: [[-steps], [-200]], buffers: simulator.live().MTLBuffer, overlapped: steps > 5 };
}

test('the main thread and a worker step one arena concurrently, through one buffer', () => {
  const { sums, expected, ...rest } = resultOf(shareArena) as Record<string, unknown>;
  expect(sums).toEqual(expected);
  expect(rest).toEqual({ buffers: 2, overlapped: true });
});

/** A tree goes to a worker and back, stepped by each in turn with velocities of its own. */
async function takeTurns(lab: Lab): Promise<unknown> {
  const { sgd, simulator } = lab;
  const tree = { parameters: sgd.zeros({ w: [64, 3], b: 7 }), gradients: sgd.zeros({ w: [64, 3], b: 7 }) };
  tree.gradients.w.data.fill(1);
  const worker = lab.worker((inside, { parameters, gradients }: typeof tree) => {
    const optimizer = new inside.sgd.SGD(1, { device: 'gpu' });
    inside.workers.parentPort?.on('message', () => {
      optimizer.update(parameters, gradients);
      inside.workers.parentPort?.postMessage(optimizer.lastRun);
    });
  }, tree);
  const optimizer = new sgd.SGD(1, { device: 'gpu' });
  new sgd.SGD(1, { device: 'gpu' }).update([sgd.zeros(1)], [sgd.zeros(1)]); // proves the GPU
  const before = simulator.counters();
  const runs = new Set<string>();
  for (let i = 0; i < 10; i++) {
    optimizer.update(tree.parameters, tree.gradients);
    const answer = lab.message(worker);
    worker.postMessage('step');
    const { gpuSeconds = 0, ...run } = (await answer) as Partial<LastRun>;
    runs.add(JSON.stringify({ ...run, timed: gpuSeconds > 0 }));
  }
  const after = simulator.counters();
  await worker.terminate();
  const values = Object.values(tree.parameters).map(({ data }) => [...new Set(data)]);
  return {
    values,
    buffersWrapped: after.buffersWrapped - before.buffersWrapped,
    dispatches: after.dispatches - before.dispatches,
    runs: [...runs].map((run) => JSON.parse(run) as unknown),
  };
}

test('both threads step a posted arena in place, through one buffer', () => {
  expect(resultOf(takeTurns, undefined, { env: { METAL_SIM: '{}' } })).toEqual({
    values: [[-20], [0]],
    buffersWrapped: 2,
    dispatches: 20,
    runs: [{ device: 'gpu', reason: "device is 'gpu'", copiedBytes: 0, timed: true, ...WITHOUT_NORM }],
  });
});
