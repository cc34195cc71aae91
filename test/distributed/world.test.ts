// Several processes give the bits of one that takes `meanOf` their gradients: by Debian's Open MPI 4 and MPICH 4.
import { availableParallelism, cpus } from 'node:os';
import { joinWorld } from '../../lib';
import { expectSameBits } from '../helpers/rankSteps';
import { type RankLab, type RankOptions, runRanks } from '../helpers/ranks';

test.each<[string, RankOptions, number, RegExp]>([
  ['Open MPI, 3 ranks, 64 KiB', { launcher: 'openmpi', count: 3 }, 2 ** 16, /^Open MPI v4/],
  ['Open MPI, 2 ranks, 32 MiB', { launcher: 'openmpi', count: 2 }, 2 ** 25, /^Open MPI v4/],
  ['Open MPI, 4 ranks, 1 MiB', { launcher: 'openmpi', count: 4 }, 2 ** 20, /^Open MPI v4/],
  ['MPICH, 2 ranks, 64 KiB', { launcher: 'mpich', count: 2 }, 2 ** 16, /MPICH/],
  ['MPICH, 3 ranks, 1 MiB', { launcher: 'mpich', count: 3 }, 2 ** 20, /MPICH/],
])('%s: the bits of one process', (_, options, bucket, library) => {
  expectSameBits(options, bucket, library);
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
