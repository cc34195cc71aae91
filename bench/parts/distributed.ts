// Two processes that take the mean of 100 MB, beside the library's own sum in C, in turn.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { AverageFound, AverageGiven } from '../children/average';
import { compiled } from '../compile';
import { ROOT } from '../internals';
import { atLeast, medianMetric, type Metric } from '../metrics';
import { pairedRatios } from '../statistics';
import type { Context } from './part';

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
      const why = error instanceof Error ? error.message : String(error);
      context.watch.complain(`means over ${library.name} are left out: ${why}`);
      return [];
    }
  });
}

function measure(library: Library, { isSmoke, rounds }: Context): Metric[] {
  const bytes = isSmoke ? 2 ** 20 : 100e6;
  const turns = isSmoke ? 1 : Math.max(3, Math.min(rounds, 5));
  const each = isSmoke ? 2 : 5;
  const program = compiled('allreduce.c', 'allreduce', ['-O2']);
  const own: number[] = [];
  const delays: number[] = [];
  const theirs: Record<string, number[]> = { buckets: [], whole: [] };
  for (let turn = 0; turn < turns; turn++) {
    const child = join(ROOT, 'bench', 'build', 'children', 'average.js');
    const given: AverageGiven = { bytes, rounds: each };
    const found = JSON.parse(run(library, [process.execPath, child, JSON.stringify(given)])) as AverageFound;
    own.push(...found.times);
    delays.push(found.p99);
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
    medianMetric({ part, name: `delay of the event loop (p99) beside a mean of ${what}`, unit: 'ms' }, delays),
  ];
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
