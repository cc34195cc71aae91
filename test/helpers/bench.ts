// The benchmarks, built and run as `npm run bench` does.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { SlowGiven } from '../../bench/children/slowWorker';
import type { Results } from '../../bench/results';
import { type Outcome, ROOT, runNode } from './child';

const FOLDER = join(ROOT, 'bench', 'build');

/** Compiles them. File by file in one go: other tests may run what is there. */
export function buildBench(): void {
  const fresh = mkdtempSync(`${FOLDER}-`);
  const built = runNode([require.resolve('typescript/bin/tsc'), '-p', 'bench', '--outDir', fresh]);
  if (built.status !== 0) throw new Error(built.stdout);
  for (const entry of readdirSync(fresh, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const place = join(FOLDER, relative(fresh, file));
    mkdirSync(dirname(place), { recursive: true });
    renameSync(file, place);
  }
  rmSync(fresh, { recursive: true });
}

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
