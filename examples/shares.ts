// The gradients of a batch, in shares: one after another here, or at once in worker threads (crew.ts). Their mean is the
// gradient of the batch, wherever each share was computed.
import { type World, zerosLike } from 'metal-sgd';
import { type Dataset, imageAt } from './data';
import { type Parameters, Perceptron } from './model';

/** Who computes gradients. */
export interface Gradients {
  /** One tree for each share, written by `compute`. float32. */
  readonly trees: readonly Parameters[];
  /** Writes the gradients of the losses of a batch, times `lossScale`; the sum of the losses of each share. */
  compute(batch: Uint32Array, lossScale: number): Promise<readonly number[]> | readonly number[];
  close(): Promise<void> | void;
}

/** Share number `index` of `count`; the first ones may have an image more. */
export function shareOf(batch: Uint32Array, index: number, count: number): Uint32Array {
  const at = (share: number): number => Math.ceil((batch.length * share) / count);
  return batch.subarray(at(index), at(index + 1));
}

/** What the gradients of each image are multiplied by, so that the mean of the shares is the mean of the batch. */
export const scaleOf = (batch: Uint32Array, count: number, lossScale: number): number =>
  (lossScale * count) / batch.length;

/** Writes the gradients of a share; the sum of its losses. */
export function addUpGradients(
  network: Perceptron,
  { pixels, labels }: Dataset,
  share: Uint32Array,
  gradients: Parameters,
  scale: number,
): number {
  for (const { weight, bias } of gradients.layers) {
    weight.data.fill(0);
    bias.data.fill(0);
  }
  let loss = 0;
  for (const i of share) loss += network.backward(imageAt(pixels, i), labels[i], gradients, scale);
  return loss;
}

/** Computes this process's share; the optimizer takes the mean over all processes. */
export function ofRank(weights: Parameters, images: Dataset, { rank, size }: World): Gradients {
  const network = new Perceptron(weights);
  const tree = zerosLike(weights);
  return {
    trees: [tree],
    compute: (batch, lossScale) => [
      addUpGradients(network, images, shareOf(batch, rank, size), tree, scaleOf(batch, size, lossScale)),
    ],
    close: () => undefined,
  };
}

/** Computes all shares on this thread. */
export function oneByOne(weights: Parameters, images: Dataset, count: number): Gradients {
  const network = new Perceptron(weights);
  const trees = Array.from({ length: count }, () => zerosLike(weights));
  return {
    trees,
    compute: (batch, lossScale) => {
      const scale = scaleOf(batch, count, lossScale);
      return trees.map((tree, k) => addUpGradients(network, images, shareOf(batch, k, count), tree, scale));
    },
    close: () => undefined,
  };
}
