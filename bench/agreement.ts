// Whether two contestants computed the same.
import type { Dtype } from 'metal-sgd';
import type { Outcome } from './contestant';

/** Distance from 1 to the next number. */
const EPSILONS: Readonly<Record<Dtype, number>> = {
  float32: 2 ** -23,
  float64: 2 ** -52,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

/**
 * What clipped parameters may differ by beside roundings: PyTorch's norm of 25.6 M float32 numbers is off by 0.2 %, MLX's by
 * 1.4 %. In the steps that are compared such parameters move by 2e-6, unclipped ones by 9e-5.
 */
export const NORM_SLACK = 1e-7;

/** To the bit where both have hashes; as it says itself, where it computes something else on purpose; else to some roundings in the values that were looked at. */
export function agree(one: Outcome, other: Outcome, dtype: Dtype, slack = 0): boolean {
  if (other.isRight !== undefined) return other.isRight;
  if (one.hashes && other.hashes) return one.hashes.join() === other.hashes.join();
  if (!one.values || one.values.length !== other.values?.length) return false;
  const { values } = other;
  return one.values.every((value, i) => Math.abs(value - values[i]) <= 4 * EPSILONS[dtype] * Math.abs(value) + slack);
}
