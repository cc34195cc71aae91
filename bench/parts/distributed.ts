// Two processes that take the mean of 100 MB, beside the library's own sum in C and MLX's mean, in turn.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AverageFound, AverageGiven } from '../children/average';
import { compiled } from '../compile';
import { ROOT } from '../internals';
import { atLeast, atMost, medianMetric, type Metric } from '../metrics';
import { pairedRatios } from '../statistics';
import type { Context } from './part';
import { messageOf } from '../errors';

const part = 'distributed';
const BUCKET = 2 ** 25;
const LIBRARIES = [
  { name: 'Open MPI', launcher: 'mpirun.openmpi', library: 'libmpi.so.40', more: ['--oversubscribe'], isGoal: true },
  { name: 'MPICH', launcher: 'mpirun.mpich', library: 'libmpich.so.12', more: [], isGoal: false },
] as const;
type Library = (typeof LIBRARIES)[number];

/** Nothing but where Debian's libraries lie side by side. */
export function distributed(context: Context): Metric[] {
  if (process.platform !== 'linux') return [];
  return LIBRARIES.flatMap((library) => {
    try {
      return measure(library, context);
    } catch (error) {
      context.watch.complain(`means over ${library.name} are left out: ${messageOf(error)}`);
      return [];
    }
  });
}

/** How MLX's processes find each other. */
const BACKENDS = ['mpi', 'ring'] as const;

function measure(library: Library, { isSmoke, rounds, hasPeers }: Context): Metric[] {
  const bytes = isSmoke ? 2 ** 20 : 100e6;
  const turns = isSmoke ? 1 : Math.max(3, Math.min(rounds, 5));
  const each = isSmoke ? 2 : 5;
  const program = compiled('allreduce.c', 'allreduce', ['-O2']);
  const own: number[] = [];
  const small: number[] = [];
  const steps: number[] = [];
  const delays: number[] = [];
  const theirs: Record<string, number[]> = { buckets: [], whole: [] };
  // MLX aborts where the library is not Open MPI.
  const python = hasPeers && library.isGoal ? (process.env['METAL_SGD_BENCH_PYTHON'] ?? '') : '';
  const mlx = { mpi: [] as number[], ring: [] as number[] };
  for (let turn = 0; turn < turns; turn++) {
    const child = join(ROOT, 'bench', 'build', 'children', 'average.js');
    const given: AverageGiven = { bytes, rounds: each };
    const found = JSON.parse(run(library, [process.execPath, child, JSON.stringify(given)])) as AverageFound;
    own.push(...found.times);
    small.push(...found.small.map((one) => one * 1000));
    steps.push(...found.steps);
    delays.push(found.late);
    if (python !== '')
      for (const backend of BACKENDS) mlx[backend].push(...averageOfMlx(library, python, backend, bytes, each));
    for (const [name, bucket] of [
      ['buckets', BUCKET],
      ['whole', bytes],
    ] as const) {
      const command = [program, library.library, String(bytes), String(bucket), String(each)];
      theirs[name].push(...run(library, command).trim().split('\n').map(Number));
    }
  }
  const what = `${String(bytes / 1e6)} MB, 2 processes, ${library.name}`;
  const goal = (least: number): { goal?: ReturnType<typeof atLeast> } =>
    library.isGoal && !isSmoke ? { goal: atLeast(least) } : {};
  return [
    medianMetric({ part, name: `mean of 4 KB, 2 processes, ${library.name}`, unit: 'us' }, small),
    medianMetric({ part, name: `mean of ${what}`, unit: 'ms' }, own),
    medianMetric(
      {
        part,
        name: `mean of ${what}, speed relative to the library's sum in buckets of 32 MiB`,
        unit: '',
        ...goal(0.8),
      },
      pairedRatios(theirs['buckets'], own),
    ),
    medianMetric(
      { part, name: `mean of ${what}, speed relative to the library's sum in one call`, unit: '', ...goal(0.6) },
      pairedRatios(theirs['whole'], own),
    ),
    medianMetric({ part, name: `step of ${what}`, unit: 'ms' }, steps),
    medianMetric(
      {
        part,
        name: `delay of the event loop (p99) beside steps of ${what}, beyond that beside spinning threads`,
        unit: 'ms',
        ...(library.isGoal && !isSmoke ? { goal: atMost(5) } : {}),
      },
      delays,
    ),
    ...BACKENDS.filter((backend) => mlx[backend].length > 0).map((backend) =>
      medianMetric(
        { part, name: `mean of ${what}, speed relative to MLX's average_gradients (${backend})`, unit: '', ...goal(2) },
        pairedRatios(mlx[backend], own),
      ),
    ),
  ];
}

/** Milliseconds of MLX's mean over two processes, which mpirun starts for the ring too. */
function averageOfMlx(
  library: Library,
  python: string,
  backend: (typeof BACKENDS)[number],
  bytes: number,
  rounds: number,
): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-ring-'));
  try {
    const hosts = join(folder, 'hosts.json');
    writeFileSync(hosts, JSON.stringify([['127.0.0.1:32323'], ['127.0.0.1:32324']]));
    const program = [
      python,
      '-B',
      join(ROOT, 'bench', 'peers', 'mlx_average.py'),
      backend,
      String(bytes),
      String(rounds),
    ];
    const setUp =
      backend === 'mpi'
        ? `MLX_MPI_LIBNAME=${library.library} exec "$@"`
        : `MLX_RANK=$OMPI_COMM_WORLD_RANK MLX_HOSTFILE='${hosts}' exec "$@"`;
    return JSON.parse(run(library, ['sh', '-c', setUp, 'sh', ...program])) as number[];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What two processes print. Root may start them. */
function run({ launcher, more }: Library, command: readonly string[]): string {
  const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const { status, stdout, stderr, error } = spawnSync(launcher, [...more, '-np', '2', ...command], {
    cwd: ROOT,
    encoding: 'utf8',
    env,
    timeout: 300_000,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.split('\n').find((line) => line !== '') ?? `status ${String(status)}`);
  return stdout;
}
