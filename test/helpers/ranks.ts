// Runs a function in several processes that mpirun starts, as `runChild` does in one.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as MetalSgd from '../../lib';
import { ROOT } from './child';

export type Launcher = 'openmpi' | 'mpich';

/** What the function of a rank is given. */
export interface RankLab {
  readonly sgd: typeof MetalSgd;
  readonly fs: typeof import('node:fs');
  readonly crypto: typeof import('node:crypto');
  readonly childProcess: typeof import('node:child_process');
  /** By the launcher's word. */
  readonly rank: number;
}

/** How a job ended. */
export interface Job<R> {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Of each rank, in order; `undefined` of one that has returned nothing. */
  readonly results: readonly (R | undefined)[];
}

export interface RankOptions {
  readonly launcher?: Launcher;
  /** Where the launcher and its library lie, if not in the system. */
  readonly prefix?: string;
  readonly count?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the job counts as hung. */
  readonly timeout?: number;
}

/** Root may run jobs in containers, and there are fewer cores than ranks. */
const ENVIRONMENT = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_btl_tcp_if_include: 'lo',
  // Containers may forbid processes to read each other's memory; Open MPI would complain.
  OMPI_MCA_btl_vader_single_copy_mechanism: 'none',
};

/** The command line of a job. */
export function commandOf(
  launcher: Launcher,
  count: number,
  program: readonly string[],
  prefix?: string,
): [string, string[]] {
  const more = launcher === 'openmpi' ? ['--oversubscribe'] : [];
  const command = prefix === undefined ? `mpirun.${launcher}` : join(prefix, 'bin', 'mpirun');
  return [command, [...more, '-np', String(count), process.execPath, ...program]];
}

export const jobEnvironment = (env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...ENVIRONMENT,
  ...env,
});

/** Runs `body` on each rank and waits for the end of all. */
export function runRanks<R, A = undefined>(
  body: (lab: RankLab, data: A) => R | Promise<R>,
  data?: A,
  { launcher = 'openmpi', prefix, count = 2, env = {}, timeout = 60_000 }: RankOptions = {},
): Job<R> {
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-ranks-'));
  try {
    const [command, args] = commandOf(launcher, count, ['-e', codeOf(body, data, folder)], prefix);
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
      cwd: ROOT,
      encoding: 'utf8',
      env: jobEnvironment(env),
      timeout,
      killSignal: 'SIGKILL',
    });
    if (error && !('code' in error && error.code === 'ETIMEDOUT')) throw error;
    const results = Array.from(
      { length: count },
      (_, rank) => resultIn(join(folder, `${String(rank)}.json`)) as R | undefined,
    );
    return { status, signal, stdout, stderr, results };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Starts a job that the test stays beside. */
export function startRanks<A>(
  body: (lab: RankLab, data: A) => unknown,
  data: A,
  options: RankOptions = {},
): ChildProcess {
  const { launcher = 'openmpi', count = 2, env } = options;
  const [command, args] = commandOf(launcher, count, ['-e', codeOf(body as never, data, '')]);
  return spawn(command, args, { cwd: ROOT, env: jobEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
}

function codeOf<R, A>(body: (lab: RankLab, data: A) => R | Promise<R>, data: A | undefined, folder: string): string {
  return `const fs = require('node:fs');
    const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK ?? 0);
    const lab = { sgd: require(${JSON.stringify(ROOT)}), fs, rank, crypto: require('node:crypto'),
      childProcess: require('node:child_process') };
    (async () => (${body.toString()})(lab, ${JSON.stringify(data)}))().then((result) => {
      if (result !== undefined) fs.writeFileSync(${JSON.stringify(folder)} + '/' + rank + '.json', JSON.stringify(result));
    }, (error) => { console.error(error); process.exit(1); });`;
}

const resultIn = (path: string): unknown =>
  existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as unknown) : undefined;
