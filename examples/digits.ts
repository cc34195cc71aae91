// Trains a network on handwritten digits with metal-sgd, and says how well it reads: `npm start`.
import { SGD, zeros } from 'metal-sgd';
import { Checkpoints } from './checkpoints';
import { CLASSES, PIXELS, readDigits, type Split, splitDigits } from './data';
import { Interrupted, messageOf, UserError } from './errors';
import { evaluate } from './metrics';
import { initialise, Perceptron, shapesFor } from './model';
import { type Options, parseOptions } from './options';
import { checkWritable, lossCurve, writeWhole } from './plot';
import { startProgress } from './progress';
import { createRandom } from './random';
import { classTable, describeDevices, describeRun, lossChart } from './report';
import { SPLIT_STREAM, stepsPerEpoch, train, type Training, warmupThenCosine, WEIGHT_STREAM } from './training';

const SIZES = [PIXELS, 128, 64, CLASSES];

async function main(options: Options, signal: AbortSignal): Promise<void> {
  if (options.plot !== false) checkWritable(options.plot);
  const split = splitDigits(readDigits(options.data), createRandom(options.seed, SPLIT_STREAM));
  const training = begin(options, split);
  const checkpoints = options.checkpoint === undefined ? undefined : new Checkpoints(options.checkpoint, options);
  if (options.resume) await checkpoints?.resume(training);
  else await checkpoints?.begin();
  introduce(split, options, training);
  const start = performance.now();
  await trainVisibly(training, split, options, signal, () => checkpoints?.save(training));
  const seconds = (performance.now() - start) / 1000;
  const { loss, accuracy, classes } = evaluate(new Perceptron(training.parameters), split.test);
  console.log(`ran on    ${describeRun(training.optimizer, seconds)}`);
  console.log(`\n${lossChart(training.history)}\n\n${classTable({ loss, accuracy, classes })}\n`);
  if (options.plot !== false) {
    writeWhole(options.plot, await lossCurve(training.history));
    console.log(`loss curve: ${options.plot}`);
  }
  console.log(`test loss: ${loss.toFixed(6)}`);
  console.log(`test accuracy: ${(100 * accuracy).toFixed(2)} %`);
}

async function trainVisibly(
  training: Training,
  split: Split,
  options: Options,
  signal: AbortSignal,
  afterEpoch: () => Promise<void> | undefined,
): Promise<void> {
  const progress = startProgress(options.epochs);
  try {
    await train(training, split, options, signal, async (result) => {
      progress.show(result);
      await afterEpoch();
    });
  } finally {
    progress.stop();
  }
}

/** A new network and its optimizer. */
function begin(options: Options, { train: images }: Split): Training {
  const { learningRate, momentum, nesterov, weightDecay, device, epochs, batchSize, warmup, seed } = options;
  const parameters = zeros(shapesFor(SIZES));
  initialise(parameters, createRandom(seed, WEIGHT_STREAM));
  const perEpoch = stepsPerEpoch(images, batchSize);
  const schedule = warmupThenCosine(learningRate, warmup * perEpoch, epochs * perEpoch);
  const optimizer = new SGD(schedule, { momentum, nesterov, weightDecay, device });
  return { parameters, optimizer, history: [] };
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
