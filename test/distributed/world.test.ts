// Several processes give the bits of one that takes `meanOf` their gradients: by Debian's Open MPI 4 and MPICH 4.
import { availableParallelism, cpus } from 'node:os';
import { joinWorld } from '../../lib';
import { type RankLab, type RankOptions, runRanks } from '../helpers/ranks';

interface Case {
  readonly name: string;
  readonly options: object;
  readonly dtype: 'float32' | 'float64' | 'float16' | 'bfloat16';
  readonly gradients: 'float32' | 'float64' | 'float16' | 'bfloat16';
  /** Trees of gradients of each rank. */
  readonly each?: number;
}

const CASES: readonly Case[] = [
  {
    name: 'Nesterov',
    options: { momentum: 0.9, nesterov: true, weightDecay: 0.01 },
    dtype: 'float32',
    gradients: 'float32',
  },
  { name: 'a norm that clips', options: { maxNorm: 1 }, dtype: 'float32', gradients: 'float32' },
  { name: 'float64', options: { momentum: 0.9 }, dtype: 'float64', gradients: 'float64' },
  { name: 'masters', options: { momentum: 0.9, masterWeights: true }, dtype: 'bfloat16', gradients: 'bfloat16' },
  { name: 'mixed', options: { momentum: 0.9 }, dtype: 'float16', gradients: 'float32' },
  { name: 'a loss scale', options: { momentum: 0.9, lossScale: 64 }, dtype: 'float16', gradients: 'float16' },
  { name: 'averages', options: { emaDecay: 0.9, clipValue: 0.3 }, dtype: 'float32', gradients: 'float32' },
];

/** For each case the step after which bits differ from those of one process; -1: none. */
async function train(
  { sgd }: RankLab,
  { cases, bucket }: { cases: readonly Case[]; bucket: number },
): Promise<unknown> {
  const { SGD, assign, joinWorld, meanOf, toBytes, zeros, zerosLike } = sgd;
  const world = await joinWorld({ timeout: 30_000, allReduceSize: bucket });
  const shapes = { a: 50_001, b: [3, 7], c: 1 };
  const filled = (dtype: Case['dtype'], seed: number): ReturnType<typeof zeros<typeof shapes, 'float32'>> => {
    const numbers = zeros(shapes, dtype === 'float64' ? 'float64' : 'float32') as never as Record<
      string,
      { data: Float32Array }
    >;
    let next = 0;
    for (const { data } of Object.values(numbers)) data.forEach((_, i) => (data[i] = Math.sin(++next * 7.1 + seed)));
    return assign(zeros(shapes, dtype), numbers as never) as never;
  };
  const differing = [];
  for (const { options, dtype, gradients } of cases) {
    const [parameters, alone] = [filled(dtype, 0.5), filled(dtype, 0.5)];
    if (world.rank > 0) for (const { data } of Object.values(parameters)) data.fill(0);
    await world.broadcast(parameters);
    const together = new SGD(0.1, { ...options, device: 'cpu', world });
    const one = new SGD(0.1, { ...options, device: 'cpu' });
    let differs = -1;
    for (let step = 0; step < 5 && differs < 0; step++) {
      const all = Array.from({ length: world.size }, (_, rank) => filled(gradients, step * 10 + rank + 1));
      if (step === 3) together.accumulate(all[world.rank]);
      await together.updateAsync(parameters, step === 3 ? undefined : all[world.rank]);
      one.update(alone, meanOf(...all));
      const [mine, theirs] = [
        [parameters, together.state.parameters],
        [alone, one.state.parameters],
      ].map((tree) => toBytes(tree as never));
      if (Buffer.compare(mine, theirs) !== 0) differs = step;
    }
    differing.push(differs);
  }
  const mean = await world.averageGradients(meanOf(zerosLike(filled('float32', 1)), filled('float32', world.rank)));
  await world.leave();
  const { rank, size, localRank, localSize, library } = world;
  return { differing, world: { rank, size, localRank, localSize, library }, first: mean.a.data[0] };
}

test.each<[string, RankOptions, number, RegExp]>([
  ['Open MPI, 3 ranks, 64 KiB', { launcher: 'openmpi', count: 3 }, 2 ** 16, /^Open MPI v4/],
  ['Open MPI, 2 ranks, 32 MiB', { launcher: 'openmpi', count: 2 }, 2 ** 25, /^Open MPI v4/],
  ['Open MPI, 4 ranks, 1 MiB', { launcher: 'openmpi', count: 4 }, 2 ** 20, /^Open MPI v4/],
  ['MPICH, 2 ranks, 64 KiB', { launcher: 'mpich', count: 2 }, 2 ** 16, /MPICH/],
  ['MPICH, 3 ranks, 1 MiB', { launcher: 'mpich', count: 3 }, 2 ** 20, /MPICH/],
])('%s: the bits of one process', (_, options, bucket, library) => {
  const { status, stderr, results } = runRanks(train, { cases: CASES, bucket }, { ...options, timeout: 90_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const size = options.count ?? 2;
  const first = results[0] as { first: number };
  results.forEach((result, rank) => {
    expect(result).toEqual({
      differing: CASES.map(() => -1),
      world: { rank, size, localRank: rank, localSize: size, library: expect.stringMatching(library) as string },
      first: first.first,
    });
  });
});

test.each([
  ['a part of the machine, unless they are bound', {}],
  ['what METAL_SGD_THREADS says', { METAL_SGD_THREADS: '3' }],
])('ranks of one machine take %s', (_, env) => {
  const threads = async ({ sgd }: RankLab): Promise<unknown> => {
    const count = (): number => sgd.devices().flatMap((device) => (device.type === 'cpu' ? [device.threads] : []))[0];
    const before = count();
    await (await sgd.joinWorld()).leave();
    return { before, after: count() };
  };
  const { status, results } = runRanks(threads, undefined, { launcher: 'mpich', env });
  expect(status).toBe(0);
  const isBound = availableParallelism() < cpus().length;
  for (const result of results) {
    const { before, after } = result as { before: number; after: number };
    expect(after).toBe('METAL_SGD_THREADS' in env ? 3 : isBound ? before : Math.max(1, Math.floor(before / 2)));
  }
});

test('gradients in ordinary memory are those of the call, and a tree may be empty', () => {
  const means = async ({ sgd, rank }: RankLab): Promise<unknown> => {
    const world = await sgd.joinWorld();
    const ordinary = { w: Float32Array.of(rank + 1, 5) };
    const pending = world.averageGradients(ordinary);
    ordinary.w.fill(99);
    const given = [...(await pending).w.data];
    const shared = sgd.zeros(2);
    shared.data.fill(rank + 1);
    const several = [...(await world.averageGradients(sgd.meanOf(ordinary, { w: shared }))).w.data];
    const optimizer = new sgd.SGD(0.1, { world });
    await optimizer.updateAsync({}, {});
    const none = await world.averageGradients({});
    await world.leave();
    return { given, several, step: optimizer.step, none, unchanged: [...shared.data] };
  };
  const { stderr, results } = runRanks(means);
  expect(stderr).toBe('');
  results.forEach((result, rank) => {
    expect(result).toEqual({
      given: [1.5, 5],
      several: [50.25, 50.25],
      step: 1,
      none: {},
      unchanged: [rank + 1, rank + 1],
    });
  });
});

describe('without a launcher', () => {
  test('the world has one process, steps as ever, and the same comes again', async () => {
    const world = await joinWorld();
    expect(world).toMatchObject({ rank: 0, size: 1, localRank: 0, localSize: 1, library: undefined });
    expect(await joinWorld()).toBe(world);
    const mean = await world.averageGradients({ w: Float32Array.of(1, 2) });
    expect([...mean.w.data]).toEqual([1, 2]);
    await world.barrier();
    await world.broadcast(mean);
  });

  test.each([
    [{ timeout: 0 }, /^timeout: expected a whole number from 1 /],
    [{ allReduceSize: 2 ** 40 }, /^allReduceSize: expected a whole number from 64 /],
    [{ time: 1 }, /time/],
  ])('%j is refused', async (options, message) => {
    await expect(joinWorld(options as never)).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
    });
  });
});
