// Leaves that lie one after another are stepped as one run: only padding may be crossed, never memory that means something.
import { SGD, type Tensor, zeros } from '../../lib';
import { copied, expectSameBits } from '../helpers/bits';
import { ARRAYS } from '../helpers/leaves';
import { oracleStep } from '../helpers/oracle';
import { fillRandom } from '../helpers/random';
import { deviceFor, subnormalsOn } from '../helpers/devices';
import type { Dtype } from '../../lib/tree/dtype';

// With a weight decay, so that whatever is stepped changes.
const given = { learningRate: 1, momentum: 0.5, weightDecay: 0.1, dampening: 0, nesterov: false };
const { learningRate, ...options } = given;

/** Elements from one leaf of an arena to the next, if it is shorter than that. */
const STRIDE = 256 / 4;

function filled(shapes: number[][], dtype: Dtype = 'float32', seed = 1): Tensor[] {
  const leaves = zeros(shapes, dtype) as Tensor[];
  leaves.forEach(({ data }, i) => {
    fillRandom(dtype, data, seed + i, false);
  });
  return leaves;
}

const viewsOf = (leaf: Tensor): Float32Array[] =>
  [0, STRIDE].map((from) => (leaf.data as Float32Array).subarray(from, from + 10));

// In both cases all three streams have the same gap; velocities always are whole leaves with padding between them.
test.each([
  ['such views', 0, () => viewsOf(filled([[4 * STRIDE]])[0])],
  ['such views', 0.5, () => viewsOf(filled([[4 * STRIDE]])[0])],
  ['padded leaves', 0, () => filled([[10], [10]])],
  ['padded leaves', 0.5, () => filled([[10], [10]])],
])(
  'a step keeps the data between two views of an arena, with %s as gradients and momentum %p',
  (_, momentum, makeGradients) => {
    const [whole] = filled([[4 * STRIDE]]);
    const data = whole.data as Float32Array;
    const before = copied(data);
    new SGD(learningRate, { ...options, momentum }).update(viewsOf(whole), makeGradients() as never);
    expectSameBits('float32', data.subarray(10, STRIDE), before.subarray(10, STRIDE), 'between the views');
    expectSameBits('float32', data.subarray(STRIDE + 10), before.subarray(STRIDE + 10), 'after the views');
  },
);

// Without momentum no velocity's gap differs: it is the place in the arena alone that tells.
test.each([0, 0.5])('a step keeps a leaf without a gradient between two others, with momentum %p', (momentum) => {
  const parameters = filled([[10], [5], [10]]);
  const gradients = filled([[10], [5], [10]], 'float32', 9);
  const before = copied(parameters[1].data as Float32Array);
  const pick = ([first, , third]: Tensor[]): Record<string, Tensor> => ({ first, third });
  new SGD(learningRate, { ...options, momentum }).update(pick(parameters) as never, pick(gradients) as never);
  expectSameBits('float32', parameters[1].data, before, 'the leaf between');
});

const dtypes: readonly Dtype[] = ['float32', 'float64', 'float16', 'bfloat16'];
const orders: readonly number[][] = [
  [0, 1, 2, 3, 4],
  [4, 3, 2, 1, 0],
  [0, 2, 1, 3, 4],
  [1, 2],
];

describe.each(dtypes)('leaves of an arena in %s', (dtype) => {
  // Parameters, gradients and velocities of one order, or of three different ones.
  test.each(orders.flatMap((one) => orders.map((other) => [one, other] as const)))(
    'have the same results with parameters in the order %p and gradients laid out in the order %p',
    (order, gradientOrder) => {
      const shapes = [[3], [128], [1], [0], [65]];
      const parameters = filled(shapes, dtype);
      const laidOut = filled(
        gradientOrder.map((i) => shapes[i]),
        dtype,
        9,
      );
      const used = order.filter((i) => gradientOrder.includes(i));
      const tree = used.map((i) => parameters[i]);
      const gradients = used.map((i) => laidOut[gradientOrder.indexOf(i)]);
      const expected = tree.map(({ data }, k) => {
        const w = copied(data);
        const v = new ARRAYS[dtype](w.length);
        for (let step = 0; step < 2; step++) {
          oracleStep(dtype, given, w, gradients[k].data, v, subnormalsOn(deviceFor([dtype])));
        }
        return w;
      });
      const optimizer = new SGD(learningRate, { ...options, device: deviceFor([dtype]) });
      for (let step = 0; step < 2; step++) optimizer.update(tree, gradients);
      tree.forEach(({ data }, k) => {
        expectSameBits(dtype, data, expected[k], `leaf ${String(used[k])}`);
      });
    },
  );
});

test('a step does not join adjacent leaves of different dtypes', () => {
  const floats = filled([[16]]);
  const halves = filled([[16]], 'bfloat16');
  const gradients = [filled([[16]], 'float32', 5)[0], filled([[16]], 'bfloat16', 7)[0]];
  const tree = [floats[0], halves[0]];
  const expected = tree.map(({ dtype, data }, i) => {
    const w = copied(data);
    oracleStep(dtype, given, w, gradients[i].data, new ARRAYS[dtype](16), subnormalsOn('auto'));
    return w;
  });
  new SGD(learningRate, options).update(tree, gradients);
  tree.forEach(({ dtype, data }, i) => {
    expectSameBits(dtype, data, expected[i], dtype);
  });
});
