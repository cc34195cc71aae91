// What a run leaves behind: machine, versions, commit, every sample and every figure, as JSON.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Rule } from './contestant';
import { ROOT } from './internals';
import { describeMachine, type MachineFacts } from './machine';
import type { Measurement, Series } from './measure';
import type { Metric } from './metrics';

/** How the run was made. */
export interface Circumstances {
  readonly rounds: number;
  readonly interrupted: boolean;
  /** Processors that threads were bound to, in order; empty if they were not. */
  readonly processors: readonly number[];
  /** How the C program was compiled; null without one. */
  readonly c: string | null;
}

/** One case in a file. */
export interface Result {
  readonly model: string;
  readonly elements: number;
  readonly leaves: number;
  readonly dtype: string;
  readonly rule: Rule;
  readonly threads: number;
  readonly unit: 'ns per step';
  readonly series: readonly Series[];
}

export interface Results extends Circumstances {
  readonly date: string;
  /** Marked if files differ from it; null outside a repository. */
  readonly commit: string | null;
  readonly machine: MachineFacts;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly Result[];
  readonly metrics: readonly Metric[];
}

/** A run as it is written down. */
export function resultsOf(
  measurements: readonly Measurement[],
  metrics: readonly Metric[],
  how: Circumstances,
  peers: Readonly<Record<string, string>>,
): Results {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    machine: describeMachine(),
    versions: { ...versions(), ...peers },
    ...how,
    results: measurements.map(plain),
    metrics,
  };
}

const FOLDER = join(ROOT, 'bench', 'results');

/** Makes the folder of a file for results. Before all the work: @throws Error if nothing could be written there then. */
export function checkPlace(file = join(FOLDER, 'any.json')): void {
  mkdirSync(dirname(file), { recursive: true });
  accessSync(dirname(file), constants.W_OK);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${file} is a folder`);
}

/** Writes a run to `file`, or to a new file in bench/results, all of it or nothing; returns the path. */
export function writeResults(results: Results, file?: string): string {
  const path = file ?? join(FOLDER, `${results.date.replaceAll(':', '-')}.json`);
  try {
    writeFileSync(`${path}.tmp`, `${JSON.stringify(results, null, 1)}\n`);
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    rmSync(`${path}.tmp`, { force: true });
    throw error;
  }
  return path;
}

/** @throws Error in one line if the file can't be read or is none of ours. */
export function readResults(path: string): Results {
  const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<Results>;
  if (!Array.isArray(found.results)) throw new Error(`${path} holds no results of npm run bench`);
  return { ...found, metrics: found.metrics ?? [] } as Results;
}

function plain({ given: { model, dtype, rule, threads }, series }: Measurement): Result {
  const { name, total, counts } = model;
  return { model: name, elements: total, leaves: counts.length, dtype, rule, threads, unit: 'ns per step', series };
}

function versions(): Record<string, string> {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return { 'metal-sgd': version, node: process.versions.node, v8: process.versions.v8 };
}

function commit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''}`;
  } catch {
    return null;
  }
}
