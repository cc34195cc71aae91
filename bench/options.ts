// The command line of `npm run bench`.
import { Command, InvalidArgumentError } from 'commander';
import { devices } from 'metal-sgd';
import type { Choice } from './cases';
import { ITEM_SIZES } from './contestant';
import type { Effort } from './measure';
import { WORKS } from './works';

export interface Options extends Choice, Effort {
  /** Whom the package is compared with. */
  readonly against: readonly string[];
  /** Where the results go, if it was said. */
  readonly json: string | undefined;
}

const MILLISECOND = 1e6;

/** What the command line asks for. Ends the process after --help (0) and for a bad option (2). */
export function parseOptions(argv: readonly string[]): Options {
  const command = new Command('bench')
    .description('Measures metal-sgd against the same loop in C and in JavaScript.')
    .option('--works <names>', `any of ${WORKS.map(({ name }) => name).join(',')}`, list)
    .option('--dtypes <names>', `any of ${Object.keys(ITEM_SIZES).join(',')}`, list, ['float32', 'float16', 'bfloat16'])
    .option('--threads <counts>', 'such as 1,2', counts, defaultThreads())
    .option('--against <names>', 'any of c,javascript', list, ['c', 'javascript'])
    .option('--rounds <n>', 'samples of each contestant', whole, 21)
    .option('--smoke', 'a few seconds on the small works: does everything work?', false)
    .option('--json <file>', 'where the results go; by default a new file in bench/results')
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.parse(argv);
  const { works, dtypes, threads, against, rounds, smoke, json } = command.opts<Given>();
  const all = WORKS.filter(({ group }) => !smoke || group === 'small').map(({ name }) => name);
  return {
    works: works ?? all,
    dtypes,
    threads,
    against,
    rounds: smoke ? Math.min(rounds, 3) : rounds,
    openings: smoke ? 1 : 3,
    sample: (smoke ? 1 : 20) * MILLISECOND,
    budget: (smoke ? 10 : 1500) * MILLISECOND,
    json,
  };
}

interface Given {
  works?: string[];
  dtypes: string[];
  threads: number[];
  against: string[];
  rounds: number;
  smoke: boolean;
  json: string | undefined;
}

/** One thread, and as many as the package takes by itself. */
function defaultThreads(): number[] {
  const cpu = devices().find(({ type }) => type === 'cpu');
  const most = cpu?.type === 'cpu' ? cpu.threads : 1;
  return most > 1 ? [1, most] : [1];
}

const list = (text: string): string[] => text.split(',').map((name) => name.trim());

const counts = (text: string): number[] => list(text).map(whole);

function whole(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 1024) return value;
  throw new InvalidArgumentError('Expected whole numbers from 1 to 1024.');
}
