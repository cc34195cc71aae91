// The gradients of some leaves on their way to sums over all ranks of a world: summed here first, then exchanged.
import { native, type PreparedTree } from '../addon/native';
import { Settings } from '../addon/settings';
import type { CheckedLeaf } from '../tree/leaf';
import { prepareSum } from './prepare';

/** Where a sum goes, and what it is of. An earlier sum may be the first of its own gradients. */
export interface Summand {
  readonly sum: CheckedLeaf;
  readonly gradients: readonly CheckedLeaf[];
}

/** Leaves that are summed over all ranks, as often as the same arrays come back. */
export class RankSum {
  /** For each leaf the array that this rank sends, and the one that gets the sum over all. */
  readonly leaves: readonly { readonly from: CheckedLeaf; readonly to: CheckedLeaf }[];
  readonly #settings = new Settings(0);
  /** Sums what can't be sent as it is. */
  #prepared: PreparedTree | undefined;

  constructor(summands: readonly Summand[]) {
    this.leaves = summands.map((summand) => ({
      from: canBeSent(summand) ? summand.gradients[0] : summand.sum,
      to: summand.sum,
    }));
    const summed = summands.filter((summand) => !canBeSent(summand));
    if (summed.length === 0) return;
    const leaves = summed.map(({ sum, gradients }) => ({ parameter: sum, gradients, group: 0, first: [] }));
    this.#prepared = prepareSum(leaves, this.#settings);
  }

  /** Sums the gradients of this rank, off this thread. */
  async sumHere(flushSubnormals: boolean): Promise<void> {
    if (!this.#prepared) return;
    this.#settings.set('flushSubnormals', flushSubnormals);
    await native().stepAsync(this.#prepared, this);
  }

  release(): void {
    if (this.#prepared) native().release(this.#prepared);
    this.#prepared = undefined;
  }
}

/** A single gradient of the sum's own dtype is sent from where it lies. */
const canBeSent = ({ sum, gradients }: Summand): boolean => gradients.length === 1 && gradients[0].dtype === sum.dtype;
