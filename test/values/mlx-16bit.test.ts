// 16-bit steps beside MLX's own: MLX rounds after every operation, this library once for each stored value.
import { type Leaf, SGD } from '../../lib';
import type { LeafData } from '../../lib/tree/dtype';
import { type GoldenCase, goldenCases, type LeafState } from '../helpers/fixtures';
import { BFLOAT16, FLOAT16, type HalfFormat } from '../helpers/half';
import { dataOf, makeLeaf } from '../helpers/leaves';
import { type Hyperparameters, valuesOf } from '../helpers/oracle';

/**
 * The longest chain of roundings from what a step reads to the parameter it stores: of a product's constant, of the
 * product and of the sum, for g', v, u and w; and our own one of v and of w. Each errs by at most half a unit in the last
 * place of a number that is no larger than the same rule makes of absolute values (`bound`), or by half the smallest
 * subnormal.
 */
const ROUNDINGS = 4 * 3 + 2;

/** Parameter and velocity after a step if nothing could cancel. */
function bound(given: Hyperparameters, w: number, g: number, v: number): { w: number; v: number } {
  const gradient = Math.abs(g) + Math.abs(given.weightDecay * w);
  const fresh = Math.abs(1 - Math.max(given.dampening, 0)) * gradient;
  const velocity = given.momentum > 0 ? given.momentum * Math.abs(v) + fresh : 0;
  const direction = given.momentum > 0 ? Math.max(velocity, gradient + given.momentum * velocity) : gradient;
  return { w: Math.abs(w) + given.learningRate * direction, v: velocity };
}

function expectClose(format: HalfFormat, actual: LeafData, expected: LeafData, bounds: number[]): void {
  const values = valuesOf(format);
  const unit = 2 ** -format.precision;
  const tiny = 2 ** (format.minExponent - format.precision);
  bounds.forEach((size, i) => {
    const tolerance = ((1 + unit) ** ROUNDINGS - 1) * size + ROUNDINGS * tiny;
    expect(Math.abs(values[actual[i]] - values[expected[i]])).toBeLessThanOrEqual(tolerance);
  });
}

/** One step from MLX's own state, beside MLX's next. */
function stepFrom(
  { dtype, options }: GoldenCase,
  from: LeafState,
  gradient: LeafData,
  learningRate: number,
): LeafState {
  const state: { v?: Leaf } = from.v ? { v: makeLeaf('tensor', dtype, from.v) } : {};
  const optimizer = new SGD(learningRate, options);
  const leaf = (data: LeafData): Leaf => makeLeaf('tensor', dtype, data);
  const parameter = dataOf(optimizer.applySingle(leaf(gradient), leaf(from.parameter), state));
  return { parameter, v: state.v && dataOf(state.v) };
}

const cases = goldenCases().filter(({ steps }) => steps[0].mlx);

test.each(cases)('each step of $name is close to MLX', (one) => {
  const format = one.dtype === 'float16' ? FLOAT16 : BFLOAT16;
  const values = valuesOf(format);
  let from: LeafState = { parameter: one.parameter, v: undefined };
  for (const { gradient, learningRate, mlx } of one.steps) {
    if (!mlx) throw new Error('a 16-bit case lacks the values of MLX');
    const { parameter, v } = stepFrom(one, from, gradient, learningRate);
    const bounds = Array.from(gradient, (g, i) =>
      bound({ ...one.options, learningRate }, values[from.parameter[i]], values[g], values[from.v?.[i] ?? 0]),
    );
    expectClose(
      format,
      parameter,
      mlx.parameter,
      bounds.map(({ w }) => w),
    );
    if (v && mlx.v)
      expectClose(
        format,
        v,
        mlx.v,
        bounds.map(({ v }) => v),
      );
    from = mlx;
  }
});
