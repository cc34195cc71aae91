// Saving and loading 1 GiB against `cp` of the same file, in the page cache; and the memory that they take meanwhile.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTensors, saveTensors, zeros } from 'metal-sgd';
import { pairedRatios, summarize } from './statistics';

const LEAVES = 4;
const LEAF_ELEMENTS = 2 ** 26;
const BYTES = LEAVES * LEAF_ELEMENTS * 4;

const GOAL_SPEED = 0.8;
const GOAL_MEMORY = 64 * 2 ** 20;

interface Sample {
  readonly seconds: number;
  /** Most bytes that the process had more than before. */
  readonly memory: number;
}

/** Measures `rounds` times, in turn, and tells it in lines. */
export async function checkpointLines(rounds: number): Promise<string[]> {
  const folder = mkdtempSync(join(memoryFolder(), 'metal-sgd-bench-'));
  try {
    const parameters = zeros(Array.from({ length: LEAVES }, () => [LEAF_ELEMENTS]));
    parameters.forEach(({ data }, i) => data.fill(i + 1));
    const [file, copy] = [join(folder, 'saved.safetensors'), join(folder, 'copied.safetensors')];
    const save = (): Promise<unknown> => saveTensors(file, parameters);
    const load = (): Promise<unknown> => loadTensors(file, { into: parameters });
    const cp = (): Promise<unknown> => Promise.resolve(run('cp', file, copy));
    for (const warmUp of [save, cp, load, save, cp]) await warmUp();
    const [saves, copies, loads]: Sample[][] = [[], [], []];
    for (let i = 0; i < rounds; i++) {
      saves.push(await timed(save));
      copies.push(await timed(cp));
      loads.push(await timed(load));
    }
    return [lineOf('saving', saves, copies), lineOf('loading', loads, copies)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where a file is its pages in memory, so that no disk is measured. */
function memoryFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

async function timed(work: () => Promise<unknown>): Promise<Sample> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  clearInterval(watch);
  return { seconds, memory: Math.max(most, process.memoryUsage.rss()) - before };
}

function lineOf(what: string, own: readonly Sample[], copies: readonly Sample[]): string {
  const seconds = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.seconds);
  const speed = summarize(pairedRatios(seconds(copies), seconds(own)));
  const memory = Math.max(...own.map((sample) => sample.memory));
  const rate = BYTES / summarize(seconds(own)).median / 1e9;
  const quartiles = `${speed.low.toFixed(2)} to ${speed.high.toFixed(2)}`;
  const reached = speed.median >= GOAL_SPEED && memory < GOAL_MEMORY ? 'reached' : 'MISSED';
  return (
    `${what} 1 GiB: ${rate.toFixed(2)} GB/s, ${speed.median.toFixed(2)} of cp's speed (${quartiles}), ` +
    `${(memory / 2 ** 20).toFixed(0)} MiB more; at least ${String(GOAL_SPEED)} with less than 64 MiB: ${reached}`
  );
}
