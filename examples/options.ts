// The command line: every option, its default and its check.
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DeviceChoice } from 'metal-sgd';
import { DTYPES, type ParameterDtype } from './model';

export interface Options {
  readonly epochs: number;
  readonly batchSize: number;
  /** Batches per step. */
  readonly accumulate: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** False: weights decay, biases don't. */
  readonly decayOnBias: boolean;
  readonly dtype: ParameterDtype;
  readonly masterWeights: boolean;
  /** The largest norm of the gradients, if there is to be one. */
  readonly maxNorm: number | undefined;
  /** What the loss is multiplied by, if it is; `'dynamic'`: as large as its gradients can bear. */
  readonly lossScale: number | 'dynamic' | undefined;
  /** The decay of the moving averages, if there are to be some. */
  readonly ema: number | undefined;
  /** Parts that the gradients of a batch are computed in. */
  readonly shares: number;
  /** Threads that compute them; 0: the main thread does. */
  readonly workers: number;
  /** True: mpirun has started several processes, each of which computes a share. */
  readonly distributed: boolean;
  readonly seed: number;
  readonly device: DeviceChoice;
  readonly data: string;
  /** A path, or false for none. */
  readonly plot: string | false;
  /** A folder for checkpoints, if there are to be some. */
  readonly checkpoint: string | undefined;
  readonly resume: boolean;
}

const DIGITS = join(__dirname, '..', 'data', 'digits.csv');

/** What the command line asks for. Ends the process after --help (0) and for a bad option (2). */
export function parseOptions(argv: readonly string[]): Options {
  const command = describe();
  command.parse(argv);
  const options = command.opts<Options>();
  if (options.warmup > options.epochs && command.getOptionValueSource('warmup') !== 'default') {
    command.error(`error: expected no more warm-up than epochs, received --warmup ${String(options.warmup)}`);
  }
  if (options.nesterov && options.momentum === 0) {
    command.error('error: Nesterov momentum needs a momentum: give --no-nesterov too');
  }
  if (options.masterWeights && options.dtype === 'float32') {
    command.error('error: --master-weights needs --dtype float16 or bfloat16');
  }
  if (options.resume && options.checkpoint === undefined) command.error('error: --resume needs --checkpoint DIR');
  const { shares, workers = 0 } = options as Partial<Options>;
  if (workers > 0 && shares !== undefined && shares !== workers)
    command.error('error: each worker computes one share: leave out --shares');
  if (options.distributed && (workers > 0 || shares !== undefined))
    command.error('error: each process computes one share: leave out --workers and --shares');
  const split = { workers, shares: shares ?? Math.max(1, workers) };
  return { ...options, ...split, warmup: Math.min(options.warmup, options.epochs) };
}

function describe(): Command {
  return new Command('digits')
    .description('Trains a multilayer perceptron (64-128-64-10) on 1797 handwritten digits with metal-sgd.')
    .option('--epochs <n>', 'passes over the training set', wholeFrom(1), 40)
    .option('--batch-size <n>', 'images per batch', wholeFrom(1), 32)
    .option('--accumulate <n>', 'batches per step', wholeFrom(1), 1)
    .option('--learning-rate <x>', 'peak learning rate', atLeastZero, 0.1)
    .option('--warmup <n>', 'epochs of linear warm-up; cosine decay follows', wholeFrom(0), 2)
    .option('--momentum <x>', 'momentum', atLeastZero, 0.9)
    .option('--no-nesterov', 'classical momentum instead of Nesterov')
    .option('--weight-decay <x>', 'weight decay', atLeastZero, 1e-4)
    .option('--no-decay-on-bias', 'no weight decay for biases')
    .addOption(new Option('--dtype <name>', 'of the parameters').choices(DTYPES).default('float32'))
    .option('--master-weights', 'float32 masters of 16-bit parameters', false)
    .option('--max-norm <x>', 'clip gradients to this norm', atLeastZero)
    .option('--loss-scale <x>', 'multiply the loss by this; dynamic: by as much as 16-bit gradients can bear', scale)
    .option('--ema <x>', 'test a moving average of the parameters too; its decay', fromZeroToOne)
    .option('--shares <n>', 'compute the gradients of a batch in so many parts, and take their mean', wholeFrom(1))
    .option('--workers <n>', 'compute each share in a thread of its own; so many shares', wholeFrom(1, 256))
    .option('--distributed', 'under mpirun: each process computes a share', false)
    .option('--seed <n>', 'of the split, the initial weights and the order of images', wholeFrom(0, 2 ** 32 - 1), 1)
    .addOption(new Option('--device <name>', 'where steps run').choices(['auto', 'gpu', 'cpu']).default('auto'))
    .addOption(new Option('--data <file>', 'images and classes, as CSV').default(DIGITS, 'the 1797 digits'))
    .option('--plot <file>', 'loss curve, as SVG', 'loss.svg')
    .option('--no-plot', 'write no loss curve')
    .option('--checkpoint <dir>', 'save a checkpoint there after each epoch')
    .option('--resume', 'go on from the newest checkpoint, if there is one', false)
    .allowExcessArguments(false)
    .addHelpText('after', '\nWith 16 bits and no masters it trains again with them, and shows both accuracies.')
    .addHelpText('after', '\nEnvironment: METAL_SGD_THREADS sets the number of CPU threads; no result depends on it.')
    .configureOutput({
      outputError: (text, write) => {
        write(`${text.trim().replaceAll('\n', ' ')}\n`); // one line, a suggestion included
      },
    })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

function wholeFrom(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? String(least) : `${String(least)} to ${String(most)}`;
    throw new InvalidArgumentError(`Expected a whole number from ${range}.`);
  };
}

function atLeastZero(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number from 0.');
}

function scale(text: string): number | 'dynamic' {
  const value = Math.fround(Number(text));
  if (text === 'dynamic') return text;
  if (Number.isFinite(value) && value > 0) return Number(text);
  throw new InvalidArgumentError('Expected a number above 0, or dynamic.');
}

function fromZeroToOne(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1.');
}
