// Trains a network on handwritten digits with metal-sgd, and says how well it reads: `npm start`.
import { assign, joinWorld, SGD, type World, zeros, zerosLike } from 'metal-sgd';
import { Checkpoints } from './checkpoints';
import { canCompare, compareDevices } from './comparison';
import { CLASSES, PIXELS, readDigits, type Split, splitDigits } from './data';
import { Interrupted, messageOf, UserError } from './errors';
import { evaluate } from './metrics';
import { initialise, type Parameters, Perceptron, shapesFor } from './model';
import { type Options, parseOptions } from './options';
import { checkWritable, lossCurve, writeWhole } from './plot';
import { startProgress } from './progress';
import { createRandom } from './random';
import { classTable, describeDevices, describeGradients, describeRun, lossChart } from './report';
import {
  refresh,
  SPLIT_STREAM,
  stepsPerEpoch,
  train,
  type Training,
  warmupThenCosine,
  WEIGHT_STREAM,
} from './training';

const SIZES = [PIXELS, 128, 64, CLASSES];

async function main(options: Options, signal: AbortSignal): Promise<void> {
  if (!options.distributed) return run(options, signal);
  const world = await joinWorld();
  if (world.rank > 0) console.log = () => undefined; // rank 0 speaks for all
  await run({ ...options, shares: world.size, plot: world.rank > 0 ? false : options.plot }, signal, world);
  await world.leave();
}

async function run(options: Options, signal: AbortSignal, world?: World): Promise<void> {
  if (options.plot !== false) checkWritable(options.plot);
  const split = splitDigits(readDigits(options.data), createRandom(options.seed, SPLIT_STREAM));
  const training = begin(options, split, world);
  const checkpoints = options.checkpoint === undefined ? undefined : new Checkpoints(options.checkpoint, options);
  if (options.resume) await checkpoints?.resume(training);
  else await checkpoints?.begin();
  introduce(split, options, training);
  const start = performance.now();
  await trainVisibly(training, split, options, signal, () => checkpoints?.save(training));
  const seconds = (performance.now() - start) / 1000;
  const { loss, accuracy, classes } = evaluate(new Perceptron(training.weights), split.test);
  console.log(`ran on    ${describeRun(training.optimizer, seconds)}`);
  const gradients = describeGradients(training.optimizer, training.history);
  if (gradients !== undefined) console.log(`gradients ${gradients}`);
  console.log(`\n${lossChart(training.history)}\n\n${classTable({ loss, accuracy, classes })}\n`);
  if (options.plot !== false) {
    writeWhole(options.plot, await lossCurve(training.history));
    console.log(`loss curve: ${options.plot}`);
  }
  console.log(`test loss: ${loss.toFixed(6)}`);
  console.log(`test accuracy: ${percent(accuracy)}`);
  await compare(training, split, options, signal);
  if (world || !canCompare(options.device)) return;
  await compareDevices((device) => begin({ ...options, device }, split), split, options, signal);
}

/** What the averages reach; and what 16-bit parameters would reach with masters. */
async function compare(training: Training, split: Split, options: Options, signal: AbortSignal): Promise<void> {
  const show = (what: string, weights: Parameters): void => {
    const { loss, accuracy } = evaluate(new Perceptron(weights), split.test);
    console.log(`test accuracy ${what}: ${percent(accuracy)} (test loss ${loss.toFixed(6)})`);
  };
  const { weights, optimizer } = training;
  const { averages } = optimizer;
  if (averages) show('of the averages', assign(zerosLike(weights), averages));
  if (options.dtype === 'float32' || options.masterWeights) return;
  const other = begin({ ...options, masterWeights: true }, split, training.optimizer.world);
  await train(other, split, options, signal, () => undefined);
  show('with --master-weights', other.weights);
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

async function trainVisibly(
  training: Training,
  split: Split,
  options: Options,
  signal: AbortSignal,
  afterEpoch: () => Promise<void> | undefined,
): Promise<void> {
  const isQuiet = (training.optimizer.world?.rank ?? 0) > 0;
  const progress = isQuiet ? undefined : startProgress(options.epochs);
  try {
    await train(training, split, options, signal, async (result) => {
      progress?.show(result);
      await afterEpoch();
    });
  } finally {
    progress?.stop();
  }
}

/** A dynamic scale grows sooner than by default, since the training is short. */
const DYNAMIC = { growthInterval: 100 };

/** A new network and its optimizer. */
function begin(options: Options, { train: images }: Split, world?: World): Training {
  const { learningRate, momentum, nesterov, weightDecay, decayOnBias, masterWeights, device, epochs, ...more } =
    options;
  const { warmup, seed, dtype, ema: emaDecay, maxNorm } = more;
  const weights = zeros(shapesFor(SIZES));
  initialise(weights, createRandom(seed, WEIGHT_STREAM));
  const parameters = dtype === 'float32' ? weights : assign(zerosLike(weights, dtype), weights);
  const perEpoch = stepsPerEpoch(images, options);
  const schedule = warmupThenCosine(learningRate, warmup * perEpoch, epochs * perEpoch);
  const groups = decayOnBias ? [] : [{ parameters: /bias$/, weightDecay: 0 }];
  const lossScale = more.lossScale === 'dynamic' ? DYNAMIC : more.lossScale;
  const around = { masterWeights, maxNorm, lossScale, emaDecay, device, world };
  const optimizer = new SGD(schedule, { momentum, nesterov, weightDecay, groups, ...around });
  const training = { parameters, weights, optimizer, history: [] };
  refresh(training); // the network sees the rounded ones
  return training;
}

function introduce(
  { train: { labels: train }, test: { labels: test } }: Split,
  { seed }: Options,
  { history }: Training,
): void {
  const counts = `${String(train.length)} to train, ${String(test.length)} to test`;
  console.log(`digits    ${String(train.length + test.length)} images: ${counts} (seed ${String(seed)})`);
  console.log(`network   ${SIZES.join('-')}`);
  console.log(`devices   ${describeDevices()}`);
  if (history.length > 0) console.log(`goes on   after epoch ${String(history.length)}`);
}

/** One line for what the user can mend; a stack for what only we can. */
function fail(error: unknown): void {
  if (error instanceof Interrupted) {
    console.error(`digits: interrupted ${error.message}`);
    process.exitCode = 130;
    return;
  }
  const expected = error instanceof UserError || (error instanceof Error && 'code' in error);
  console.error(`digits: ${expected || !(error instanceof Error) ? messageOf(error) : String(error.stack)}`);
  process.exitCode = 1;
}

const options = parseOptions(process.argv);
const interrupt = new AbortController();
process.once('SIGINT', () => {
  interrupt.abort(); // a second Ctrl-C ends the process at once
});
main(options, interrupt.signal).catch(fail);
