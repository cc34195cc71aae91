// Leaves that are split, and many small ones that are batched: the same bits on any number of threads.
import { SGD, type Tensor, zeros } from '../../lib';
import type { Dtype, LeafData } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import { copied, expectSameBits } from '../helpers/bits';
import { ARRAYS } from '../helpers/leaves';
import { restoreMachineAfterwards } from '../helpers/machine';
import { type Hyperparameters, oracleStep } from '../helpers/oracle';
import { fillRandom } from '../helpers/random';
import { deviceFor, subnormalsOn } from '../helpers/devices';

restoreMachineAfterwards();

const THREADS = [1, 2, 3, 5, 8];
const STEPS = 2;

/** One of each item size, which is what the split depends on. */
const DTYPES: readonly Dtype[] = ['float32', 'float64', 'bfloat16'];

const hyperparameters: Hyperparameters = {
  learningRate: 0.1,
  momentum: 0.9,
  weightDecay: 1e-4,
  dampening: 0,
  nesterov: true,
};

/** Sizes with which a step is large enough to wake sleeping threads. */
const LAYOUTS: Record<string, readonly number[]> = {
  'one large leaf': [440_003],
  'two large leaves and crumbs': [240_001, 1, 200_000, 63, 0, 65],
  'many small leaves': Array.from({ length: 1300 }, (_, i) => (i * 37) % 700),
};

interface Trees {
  readonly parameters: Tensor[];
  readonly gradients: Tensor[];
}

function makeTrees(dtype: Dtype, sizes: readonly number[]): Trees {
  const tree = (seed: number): Tensor[] => {
    const leaves = zeros(
      sizes.map((size) => [size]),
      dtype,
    ) as Tensor[];
    leaves.forEach(({ data }, i) => {
      fillRandom(dtype, data, seed + i, false);
    });
    return leaves;
  };
  return { parameters: tree(1), gradients: tree(1_000_000) };
}

/** The parameters after the steps, by the oracle. */
function expectedOf(dtype: Dtype, { parameters, gradients }: Trees, steps = STEPS): LeafData[] {
  return parameters.map(({ data }, i) => {
    const w = copied(data);
    const v = new ARRAYS[dtype](w.length);
    for (let step = 0; step < steps; step++) {
      oracleStep(dtype, hyperparameters, w, gradients[i].data, v, subnormalsOn(deviceFor([dtype])));
    }
    return w;
  });
}

describe.each(Object.entries(LAYOUTS))('%s', (_, sizes) => {
  describe.each(DTYPES)('%s', (dtype) => {
    const trees = makeTrees(dtype, sizes);
    const start = trees.parameters.map(({ data }) => copied(data));
    const expected = expectedOf(dtype, trees);

    /** Back to the start, some steps, and a look at every bit. */
    async function expectBits(take: (optimizer: SGD) => unknown): Promise<void> {
      const { learningRate, ...options } = hyperparameters;
      trees.parameters.forEach(({ data }, i) => {
        data.set(start[i]);
      });
      const optimizer = new SGD(learningRate, { ...options, device: deviceFor([dtype]) });
      for (let step = 0; step < STEPS; step++) await take(optimizer);
      trees.parameters.forEach(({ data }, i) => {
        expectSameBits(dtype, data, expected[i], `leaf ${String(i)}`);
      });
    }

    test.each(THREADS)('matches the oracle with %p threads', async (threads) => {
      native().setThreads(threads);
      await expectBits((optimizer) => {
        optimizer.update(trees.parameters, trees.gradients);
      });
      await expectBits((optimizer) => optimizer.updateAsync(trees.parameters, trees.gradients));
    });
  });
});

/** So many that threads are awake and share small steps, which they claim in other portions. */
test.each(THREADS)('small steps in quick succession have the right results with %p threads', (threads) => {
  native().setThreads(threads);
  const trees = makeTrees('float32', [60_001]);
  const steps = 40;
  const expected = expectedOf('float32', trees, steps);
  const { learningRate, ...options } = hyperparameters;
  const optimizer = new SGD(learningRate, options);
  for (let step = 0; step < steps; step++) optimizer.update(trees.parameters, trees.gradients);
  expectSameBits('float32', trees.parameters[0].data, expected[0], 'the leaf');
});

test('synchronous steps have the right results beside an asynchronous step of another optimizer', async () => {
  native().setThreads(4);
  const [one, other] = [makeTrees('float32', [400_000]), makeTrees('float32', [500_000])];
  const [expectedOne, expectedOther] = [expectedOf('float32', one), expectedOf('float32', other)];
  const { learningRate, ...options } = hyperparameters;
  const [background, here] = [new SGD(learningRate, options), new SGD(learningRate, options)];
  for (let step = 0; step < STEPS; step++) {
    const pending = background.updateAsync(one.parameters, one.gradients);
    here.update(other.parameters, other.gradients);
    await pending;
  }
  expectSameBits('float32', one.parameters[0].data, expectedOne[0], 'the one in the background');
  expectSameBits('float32', other.parameters[0].data, expectedOther[0], 'the one here');
});
