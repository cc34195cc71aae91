// How good the network is on a set of images.
import { CLASSES, type Dataset, imageAt } from './data';
import { crossEntropy, type Perceptron } from './model';

/** Of one class. */
export interface ClassResult {
  /** Images of this class. */
  readonly count: number;
  /** Share of those that were taken for this class and are of it; NaN if none was. */
  readonly precision: number;
  /** Share of the images of this class that were taken for it; NaN if there are none. */
  readonly recall: number;
}

export interface Evaluation {
  /** Mean cross-entropy. */
  readonly loss: number;
  /** Share of the images that were told right. */
  readonly accuracy: number;
  readonly classes: readonly ClassResult[];
}

export function evaluate(network: Perceptron, { pixels, labels }: Dataset): Evaluation {
  const confusion = Array.from({ length: CLASSES }, () => new Uint32Array(CLASSES)); // [is][taken for]
  let loss = 0;
  labels.forEach((label, i) => {
    const logits = network.forward(imageAt(pixels, i));
    loss += crossEntropy(logits, label);
    confusion[label][indexOfLargest(logits)]++;
  });
  const right = confusion.reduce((sum, row, label) => sum + row[label], 0);
  return {
    loss: loss / labels.length,
    accuracy: right / labels.length,
    classes: confusion.map((_, label) => classResult(confusion, label)),
  };
}

function classResult(confusion: readonly Uint32Array[], label: number): ClassResult {
  const right = confusion[label][label];
  const count = confusion[label].reduce((sum, n) => sum + n, 0);
  const taken = confusion.reduce((sum, row) => sum + row[label], 0);
  return { count, precision: right / taken, recall: right / count };
}

function indexOfLargest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
