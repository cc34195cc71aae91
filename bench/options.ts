// The command line of `npm run bench`.
import { Command, InvalidArgumentError } from 'commander';
import { type DeviceChoice, devices } from 'metal-sgd';
import { RULES } from './contestant';
import { PEERS } from './contestants/peers';
import type { Effort } from './measure';
import { type Asked, DEVICES, DTYPES, known, LAYOUTS, type Offered, rulesNamed, VERBS, modelsNamed } from './selection';
import { type Model, MODELS } from './models';

/** The parts of the suite: the first four are cases, the others single figures. */
const PARTS = [
  'models',
  'sizes',
  'costs',
  'features',
  'startup',
  'heap',
  'memory',
  'delay',
  'under-load',
  'checkpoints',
  'gpu',
  'distributed',
  'frameworks',
] as const;
export type PartName = (typeof PARTS)[number];

export interface Options {
  readonly models: readonly Model[];
  readonly parts: readonly PartName[];
  /** What was named along each axis, and what there is. */
  readonly asked: Asked;
  readonly offered: Offered;
  /** Whom the package is compared with, of `AGAINST`. */
  readonly against: readonly string[];
  /** Names of `PEERS`. */
  readonly peers: readonly string[];
  readonly effort: Effort;
  readonly isSmoke: boolean;
  /** Where the results go, if it was said. */
  readonly json: string | undefined;
  /** Results to compare with. */
  readonly compare: string | undefined;
  /** Results that are compared instead of being measured now. */
  readonly with: string | undefined;
}

const AGAINST = ['c', 'triad', 'javascript'] as const;
const MILLISECOND = 1e6;
const HELP = `
By default one thing at a time varies around float32, momentum, all threads, one arena, update, cpu (and gpu and auto
where there is a GPU). Options that name dtypes, rules, threads, layouts, verbs or devices are crossed with each other;
--all crosses everything, which takes hours. Whoever names models measures nothing else, unless --parts says so.

METAL_SGD_BENCH_PYTHON names a Python that has PyTorch or MLX, and numpy, for --peers.
npm run bench:report [FILE.json...] makes docs/benchmarks.md of results. docs/benchmarks.md tells what everything means.`;

interface Given {
  models?: string[];
  parts?: string[];
  dtypes?: string[];
  rules?: string[];
  threads?: number[];
  layouts?: string[];
  verbs?: string[];
  devices?: string[];
  against: string[];
  peers?: string[] | true;
  rounds: number;
  all: boolean;
  smoke: boolean;
  json?: string;
  compare?: string;
  with?: string;
}

/** What the command line asks for. Ends the process after --help (0) and for a bad option (2). */
export function parseOptions(argv: readonly string[], complain: (line: string) => void): Options {
  const command = new Command('bench')
    .description("Measures metal-sgd against the machine's baseline, a plain JavaScript loop, and other packages.")
    .option('--models <names>', `any of ${MODELS.map(({ name }) => name).join(',')}, leaf-10k, list-500, ...`, list)
    .option('--parts <names>', `any of ${PARTS.join(',')}`, list)
    .option('--dtypes <names>', `any of ${DTYPES.join(',')}`, list)
    .option('--rules <names>', `any of ${RULES.map(({ name }) => name).join(',')}`, list)
    .option('--threads <counts>', 'such as 1,2', counts)
    .option(
      '--layouts <names>',
      `any of ${LAYOUTS.join(',')}: one arena, a shared buffer a leaf, ordinary arrays`,
      list,
    )
    .option('--verbs <names>', `any of ${VERBS.join(',')}`, list)
    .option('--devices <names>', `any of ${DEVICES.join(',')}`, list)
    .option('--all', 'every combination of all of these', false)
    .option('--against <names>', `any of ${AGAINST.join(',')}`, list, [...AGAINST])
    .option('--peers [names]', `other packages too: ${PEERS.map(({ name }) => name).join(', ')}`, list)
    .option('--rounds <n>', 'samples of each contestant', whole, 21)
    .option('--smoke', 'a few seconds on the small models: does everything work?', false)
    .option('--json <file>', 'where the results go; by default a new file in bench/results')
    .option('--compare <old.json>', 'prints what differs from older results beyond noise')
    .option('--with <new.json>', 'for --compare: measures nothing, but takes these as the new results')
    .addHelpText('after', HELP)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.parse(argv);
  const given = command.opts<Given>();
  const { smoke, rounds } = given;
  return {
    models: given.models
      ? modelsNamed(given.models, complain)
      : MODELS.filter(({ group }) => !smoke || group === 'small'),
    parts: given.parts ? known(given.parts, PARTS, 'part', complain) : given.models ? ['models'] : PARTS,
    ...axesOf(given, complain),
    against: known(given.against, AGAINST, 'contestant', complain),
    peers: peersOf(given.peers, complain),
    effort: {
      rounds: smoke ? Math.min(rounds, 3) : rounds,
      openings: smoke ? 1 : 3,
      sample: (smoke ? 1 : 20) * MILLISECOND,
      budget: (smoke ? 10 : 1500) * MILLISECOND,
      mostSteps: smoke ? 100 : 5000, // beyond, parameters would settle and velocities become subnormal
    },
    isSmoke: smoke,
    json: given.json,
    compare: given.compare,
    with: given.with,
  };
}

function axesOf(given: Given, complain: (line: string) => void): { asked: Asked; offered: Offered } {
  const found = devices();
  const cpu = found.find(({ type }) => type === 'cpu');
  const most = cpu?.type === 'cpu' ? cpu.threads : 1;
  const hasGpu = found.some(({ type }) => type === 'gpu');
  const offered: Offered = {
    dtype: DTYPES,
    rule: rulesNamed(['momentum', 'plain', 'nesterov', 'dampened'], complain),
    threads: [...new Set([most, 1, Math.min(2, most)])],
    layout: LAYOUTS,
    verb: VERBS,
    device: DEVICES.filter((device) => hasGpu || device === 'cpu'),
  };
  const asked: Asked = {
    dtype: given.dtypes && known(given.dtypes, DTYPES, 'dtype', complain),
    rule: given.rules && rulesNamed(given.rules, complain),
    threads: given.threads,
    layout: given.layouts && known(given.layouts, LAYOUTS, 'layout', complain),
    verb: given.verbs && known(given.verbs, VERBS, 'verb', complain),
    device: given.devices && known<DeviceChoice>(given.devices, DEVICES, 'device', complain),
  };
  return { asked: given.all ? { ...offered, ...definedOf(asked) } : asked, offered };
}

const definedOf = (asked: Asked): Partial<Asked> =>
  Object.fromEntries(Object.entries(asked).filter(([, values]) => values !== undefined));

function peersOf(given: Given['peers'], complain: (line: string) => void): string[] {
  const all = PEERS.map(({ name }) => name);
  if (given === undefined) return [];
  return given === true ? all : known(given, all, 'peer', complain);
}

const list = (text: string): string[] => text.split(',').map((name) => name.trim());

const counts = (text: string): number[] => list(text).map(whole);

function whole(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 1024) return value;
  throw new InvalidArgumentError('Expected whole numbers from 1 to 1024.');
}
