// The benchmarks, built and run as `npm run bench` does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SlowGiven } from '../../bench/children/slowWorker';
import type { Results } from '../../bench/results';
import { type Outcome, ROOT, runNode } from './child';
import { compile } from './compile';

const FOLDER = join(ROOT, 'bench', 'build');

export const buildBench = (): void => {
  compile('bench');
};

/** The arguments of Node that run them. */
export const MAIN = ['--expose-gc', join(FOLDER, 'main.js')] as const;

export const bench = (...args: readonly string[]): Outcome<never> => runNode([...MAIN, ...args]);

/** The times of two threads, of which the library slows the other one, over those of one. */
export function slowWorker(given: SlowGiven, library: string): number[] {
  const child = ['--expose-gc', join(FOLDER, 'children', 'slowWorker.js'), JSON.stringify(given)];
  const { status, stdout, stderr } = runNode(child, { env: { LD_PRELOAD: library } });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as number[];
}

/** `npm run bench:report`. */
export const report = (...args: readonly string[]): Outcome<never> =>
  runNode([join(FOLDER, 'report', 'main.js'), ...args]);

export const resultsIn = (path: string): Results => JSON.parse(readFileSync(path, 'utf8')) as Results;
