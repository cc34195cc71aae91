// `meanOf`: several trees of gradients that one step takes the mean of.
import { calledFrom } from '../caller';
import { rangeError, typeError } from '../errors';
import type { Gradients, GradientsFor } from '../tree/types';

/** The most that a step sums. */
const MAX_GRADIENTS = 256;

/** Trees of gradients, as `meanOf` returns them. An array of trees would be a tree. */
export class GradientMean<out G = unknown> {
  readonly trees: readonly G[];
  readonly #brand = true;

  /** @internal */
  constructor(trees: readonly G[]) {
    this.trees = Object.freeze([...trees]);
    Object.freeze(this);
  }

  /** The trees of a mean; `undefined` for anything else. @internal */
  static treesOf(value: unknown): readonly unknown[] | undefined {
    return typeof value === 'object' && value !== null && #brand in value ? (value as GradientMean).trees : undefined;
  }
}

/** A gradient for every parameter of `P`: one tree of them, or several. */
export type AllGradients<P> = Gradients<P> | GradientMean<Gradients<P>>;

/** One tree of gradients for `P`, or several. */
export type SomeGradients<P> = GradientsFor<P> | GradientMean<GradientsFor<P>>;

/**
 * The mean of several gradients, for `update`, `updateAsync`, `applyGradients` and `accumulate`: `((g1 + g2) + ...) / K`,
 * element by element, in float32 (double for float64), in the step's own pass. No array of the sum is made.
 *
 * @param gradients 1 to 256 trees with the same leaves; they may share memory. Read when the step runs.
 * @throws RangeError (code `invalid-option`) for none or more than 256.
 */
export function meanOf<G extends readonly unknown[]>(...gradients: G): GradientMean<G[number]> {
  return calledFrom(meanOf, () => {
    const expected = `1 to ${String(MAX_GRADIENTS)} trees of gradients`;
    if (gradients.length === 0 || gradients.length > MAX_GRADIENTS)
      throw rangeError('invalid-option', 'meanOf', expected, gradients.length);
    const nested = gradients.findIndex((one) => GradientMean.treesOf(one));
    if (nested >= 0)
      throw typeError('invalid-option', `meanOf: gradients.${String(nested)}`, 'a tree', gradients[nested]);
    return new GradientMean(gradients);
  });
}
