// What a run leaves behind: machine, versions, commit and every sample, as JSON.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';
import { devices } from 'metal-sgd';
import { ROOT } from './internals';
import type { Measurement } from './measure';

/** How the run was made. */
export interface Circumstances {
  readonly rounds: number;
  readonly interrupted: boolean;
  /** Processors that threads were bound to, in order; empty if they were not. */
  readonly processors: readonly number[];
  /** How the C program was compiled; null without one. */
  readonly c: string | null;
}

/** Writes a run to `file`, or to a new file in bench/results; returns the path. */
export function writeResults(measurements: readonly Measurement[], how: Circumstances, file?: string): string {
  const date = new Date().toISOString();
  const path = file ?? join(ROOT, 'bench', 'results', `${date.replaceAll(':', '-')}.json`);
  mkdirSync(dirname(path), { recursive: true });
  const run = {
    date,
    commit: commit(),
    machine: machine(),
    versions: versions(),
    ...how,
    results: measurements.map(plain),
  };
  writeFileSync(path, `${JSON.stringify(run, null, 1)}\n`);
  return path;
}

function plain({ given: { work, dtype, rule, threads }, series }: Measurement): object {
  const { name, total, counts } = work;
  return { work: name, elements: total, leaves: counts.length, dtype, rule, threads, unit: 'ns per step', series };
}

function machine(): object {
  const processors = cpus();
  return {
    cpu: processors.at(0)?.model.trim() ?? 'unknown',
    processors: processors.length,
    memory: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    devices: devices(),
  };
}

function versions(): object {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return { 'metal-sgd': version, node: process.versions.node, v8: process.versions.v8 };
}

/** The commit, marked if files differ from it; null outside a repository. */
function commit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''}`;
  } catch {
    return null;
  }
}
