// Runs a function in a process of its own, on the built package: for exits, crashes, memory and the environment.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type * as fs from 'node:fs';
import type * as metalSgd from '../../lib/index';
import type * as workers from 'node:worker_threads';
import { openSimulator, type Simulator } from './simulator';

/** The package's folder. */
export const ROOT = join(__dirname, '..', '..');

/** All that a function in a child, or in a worker there, can use: it sees nothing of the file in which it stands. */
export interface Lab {
  /** The built package. */
  readonly sgd: typeof metalSgd;
  /** One of its files: 'memory/arena'. */
  internal(name: string): unknown;
  readonly fs: typeof fs;
  readonly workers: typeof workers;
  /** The simulator's controls, where the child runs over it. */
  readonly simulator: Simulator;
  /** Collects all garbage and lets finalizers run. */
  collect(): Promise<void>;
  /** A worker that runs `body` with a lab of its own. */
  worker<D>(body: (lab: Lab, data: D) => unknown, data: D): workers.Worker;
  /** The first message of a worker; rejects if it fails or ends before. */
  message(worker: workers.Worker): Promise<unknown>;
}

function makeLab(load: NodeJS.Require, root: string, open: typeof openSimulator): Lab {
  const threads = load('node:worker_threads') as typeof workers;
  return {
    sgd: load(`${root}/dist/index.js`) as typeof metalSgd,
    internal: (name) => load(`${root}/dist/${name}.js`) as unknown,
    fs: load('node:fs') as typeof fs,
    workers: threads,
    get simulator() {
      return open(load, root);
    },
    collect: async () => {
      for (let i = 0; i < 3; i++) {
        globalThis.gc?.();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    worker: (body, data) => {
      const code = `const lab = (${makeLab.toString()})(require, ${JSON.stringify(root)}, ${open.toString()});
        (${body.toString()})(lab, lab.workers.workerData);`;
      return new threads.Worker(code, { eval: true, workerData: data });
    },
    message: (worker) =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', () => {
          reject(new Error('the worker ended'));
        });
      }),
  };
}

/** How a child ended, and what its function returned (through JSON). */
export interface Outcome<R> {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly result: R | undefined;
}

/** What a child gets besides its function. */
export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  /** Its folder; by default the package's. */
  readonly cwd?: string;
}

/** Milliseconds until a child counts as hung. A sanitizer slows children down. */
const PATIENCE = Number(process.env['METAL_SGD_TEST_PATIENCE'] ?? 100_000);

/** Runs `body` in a child process and waits for its end, whatever it is. */
export function runChild<R, A = undefined>(
  body: (lab: Lab, data: A) => R | Promise<R>,
  data?: A,
  { env = {}, timeout = PATIENCE }: ChildOptions = {},
): Outcome<R> {
  const code = `const lab = (${makeLab.toString()})(require, ${JSON.stringify(ROOT)}, ${openSimulator.toString()});
    (async () => (${body.toString()})(lab, ${JSON.stringify(data)}))().then((result) => {
      if (result !== undefined) lab.fs.writeSync(3, JSON.stringify(result));
    });`;
  return runNode(['--expose-gc', '-e', code], { env, timeout });
}

const METALS_OWN_LINES = /^.*(Metal \w+ Validation Enabled|flock failed to lock maps file).*(\n|$)/gim;

/** Standard error without the lines that Metal writes by itself: its layers announce themselves, its cache finds a lock. */
export const withoutMetalsLines = (stderr: string): string => stderr.replace(METALS_OWN_LINES, '');

/** Runs `node` with these arguments. `stderr` comes without Metal's own lines. */
export function runNode<R>(
  args: readonly string[],
  { env = {}, timeout = PATIENCE, cwd = ROOT }: ChildOptions = {},
): Outcome<R> {
  const { status, signal, output, error } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  });
  if (error) throw error;
  const [, stdout = '', stderr = '', text = ''] = output as (string | undefined)[];
  return {
    status,
    signal,
    stdout,
    stderr: withoutMetalsLines(stderr),
    result: text === '' ? undefined : (JSON.parse(text) as R),
  };
}

/** What `body` returned in a child that ended well; throws with the child's words otherwise. */
export function resultOf<R, A = undefined>(
  body: (lab: Lab, data: A) => R | Promise<R>,
  data?: A,
  options?: ChildOptions,
): R {
  const { status, signal, stdout, stderr, result } = runChild(body, data, options);
  if (status === 0 && result !== undefined) return result;
  throw new Error(`the child ended with ${String(status ?? signal)}\n${stdout}\n${stderr}`);
}
