// Trains a network: shuffled batches, one step of the optimizer for each.
import { setImmediate as nextTick } from 'node:timers/promises';
import {
  assign,
  cosineDecay,
  joinSchedules,
  linearSchedule,
  meanOf,
  type Schedule,
  type SGD,
  type World,
  zerosLike,
} from 'metal-sgd';
import type { Dataset, Split } from './data';
import { hireCrew } from './crew';
import { Interrupted, UserError } from './errors';
import { type GradientResult, GradientTally } from './gradients';
import { evaluate } from './metrics';
import { type ParameterDtype, type Parameters, Perceptron } from './model';
import { createRandom, permutation } from './random';
import { type Gradients, oneByOne, ofRank } from './shares';

/** What is told after each epoch. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the images, each as the network stood at its turn. */
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  /** Missing where no step measures its gradients. */
  readonly gradients?: GradientResult | undefined;
}

/** What changes while training goes on: all that a checkpoint holds. */
export interface Training {
  readonly parameters: Parameters<ParameterDtype>;
  /** The same arrays for the network; of 16-bit parameters, a float32 copy. */
  readonly weights: Parameters;
  readonly optimizer: SGD;
  readonly history: EpochResult[];
}

export interface TrainingOptions {
  readonly epochs: number;
  readonly batchSize: number;
  /** Batches per step. */
  readonly accumulate: number;
  /** Parts of a batch; in worker threads, if there are any. */
  readonly shares: number;
  readonly workers: number;
  readonly seed: number;
}

/** Streams of randomness of one seed. Each epoch has its own, so that it can be the first of a run. */
export const SPLIT_STREAM = 0;
export const WEIGHT_STREAM = 1;
const FIRST_EPOCH_STREAM = 2;

/** A straight line up to `peak`, then half a cosine down to 0; counted in steps. */
export function warmupThenCosine(peak: number, warmupSteps: number, steps: number): Schedule {
  const decay = cosineDecay(peak, Math.max(1, steps - warmupSteps));
  if (warmupSteps === 0) return decay;
  // Not from 0: a first step that changes nothing would be wasted.
  return joinSchedules([linearSchedule(peak / warmupSteps, peak, warmupSteps), decay], [warmupSteps]);
}

/** Steps that one epoch takes; the last batch may be a small one, and the last step one of fewer batches. */
export function stepsPerEpoch(
  train: Dataset,
  { batchSize, accumulate }: Pick<TrainingOptions, 'batchSize' | 'accumulate'>,
): number {
  return Math.ceil(Math.ceil(train.labels.length / batchSize) / accumulate);
}

/** The network's copy, after the parameters have changed. */
export function refresh({ parameters, weights }: Training): void {
  if (weights !== parameters) assign(weights, parameters);
}

/**
 * Trains on, from the epoch after the last one in the history.
 *
 * @throws Interrupted between two epochs, if `signal` says so; UserError if the loss grows beyond all numbers, or if a worker
 *   fails.
 */
export async function train(
  training: Training,
  split: Split,
  options: TrainingOptions,
  signal: AbortSignal,
  tell: (result: EpochResult) => void | Promise<void>,
): Promise<void> {
  const { world } = training.optimizer;
  const start = options.workers > 0 ? hireCrew : oneByOne;
  const computed = world
    ? ofRank(training.weights, split.train, world)
    : start(training.weights, split.train, options.shares);
  try {
    await trainBy(computed, training, split, options, signal, tell);
  } finally {
    await computed.close();
  }
}

async function trainBy(
  computed: Gradients,
  training: Training,
  { train: images, test }: Split,
  { epochs, seed, ...options }: TrainingOptions,
  signal: AbortSignal,
  tell: (result: EpochResult) => void | Promise<void>,
): Promise<void> {
  const { weights, optimizer, history } = training;
  const network = new Perceptron(weights);
  const step = stepper(computed, training, options);
  for (let epoch = history.length; epoch < epochs; epoch++) {
    await nextTick(); // lets Ctrl-C through
    if (signal.aborted) throw new Interrupted(`after ${String(epoch)} of ${String(epochs)} epochs`);
    const order = permutation(images.labels.length, createRandom(seed, FIRST_EPOCH_STREAM + epoch));
    const tally = new GradientTally(history.at(-1)?.gradients);
    const loss = await overRanks(
      await step(order, () => {
        tally.add(optimizer.lastRun);
      }),
      optimizer.world,
    );
    if (!Number.isFinite(loss))
      throw new UserError(`diverged in epoch ${String(epoch + 1)}: try a lower learning rate`);
    const { loss: testLoss, accuracy: testAccuracy } = evaluate(network, test);
    const trainLoss = loss / order.length;
    history.push({ epoch: epoch + 1, trainLoss, testLoss, testAccuracy, gradients: tally.result });
    await tell(history[epoch]);
  }
}

/** The sum over all processes. */
async function overRanks(loss: number, world: World | undefined): Promise<number> {
  if (!world) return loss;
  const mean = await world.averageGradients(Float64Array.of(loss));
  return mean.data[0] * world.size;
}

/** Takes the steps of an epoch, and tells of each; the sum of the losses. */
function stepper(
  computed: Gradients,
  training: Training,
  { batchSize, accumulate }: Pick<TrainingOptions, 'batchSize' | 'accumulate'>,
): (order: Uint32Array, tell: () => void) => Promise<number> {
  const { parameters, weights, optimizer } = training;
  // With a loss scale as a backward pass in 16 bits gives them: too large a scale makes them infinite.
  const isNarrow = optimizer.lossScale !== undefined && weights !== parameters;
  const trees = isNarrow ? computed.trees.map(() => zerosLike(parameters)) : computed.trees;
  const gradients = trees.length === 1 ? trees[0] : meanOf(...trees);
  return async (order, tell) => {
    const losses = computed.trees.map(() => 0);
    for (let start = 0, batches = 1; start < order.length; start += batchSize, batches++) {
      const batch = await computed.compute(order.subarray(start, start + batchSize), optimizer.lossScale ?? 1);
      batch.forEach((loss, k) => (losses[k] += loss));
      if (isNarrow) trees.forEach((tree, k) => assign(tree, computed.trees[k]));
      if (batches % accumulate > 0 && start + batchSize < order.length) {
        optimizer.accumulate(gradients);
        continue;
      }
      // By the mean of all that was accumulated, and of all processes.
      if (optimizer.world) await optimizer.updateAsync(parameters, gradients);
      else optimizer.update(parameters, gradients);
      tell();
      refresh(training);
    }
    // Share by share and over their number, as the mean over processes is formed.
    return (losses.reduce((sum, loss) => sum + loss) / losses.length) * losses.length;
  };
}
