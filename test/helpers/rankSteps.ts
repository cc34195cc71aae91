// Steps of several kinds on the ranks of a job, each beside those of one process that takes `meanOf` all gradients.
import { type RankLab, type RankOptions, runRanks } from './ranks';

interface Case {
  readonly name: string;
  readonly options: object;
  readonly dtype: 'float32' | 'float64' | 'float16' | 'bfloat16';
  readonly gradients: 'float32' | 'float64' | 'float16' | 'bfloat16';
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

/** Each step of `count` ranks has the bits of one process. */
export function expectSameBits(options: RankOptions, bucket: number, library: RegExp): void {
  const { status, stderr, results } = runRanks(train, { cases: CASES, bucket }, { ...options, timeout: 90_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const size = options.count ?? 2;
  const all = results as readonly { readonly first: number; readonly world: { readonly localRank: number } }[];
  all.forEach((result, rank) => {
    expect(result).toEqual({
      differing: CASES.map(() => -1),
      world: {
        rank,
        size,
        localRank: expect.any(Number) as number,
        localSize: size,
        library: expect.stringMatching(library) as string,
      },
      first: all[0].first,
    });
  });
  // Open MPI 5 numbers them in an order of its own.
  const local = all.map(({ world }) => world.localRank).sort();
  expect(local).toEqual([...local.keys()]);
}
