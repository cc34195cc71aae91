// Saving and loading a file against `cp` of the same file, in the page cache; and the memory that they take meanwhile.
// Like a save, the copy is written beside the last one and then takes its name: new pages are slower than used ones.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTensors, saveTensors, zeros } from 'metal-sgd';
import { atLeast, atMost, medianMetric, type Metric } from '../metrics';
import { pairedRatios } from '../statistics';
import { type Context, hasMemory } from './part';

const LEAVES = 4;
const MIB = 2 ** 20;

interface Sample {
  readonly seconds: number;
  /** Most bytes that the process had more than before. */
  readonly memory: number;
}

/** Speeds relative to `cp`, in turn, and memory. */
export async function checkpoints(context: Context): Promise<Metric[]> {
  const bytes = (context.isSmoke ? 16 : 1024) * MIB;
  if (!hasMemory(4 * bytes, 'saving and loading', context)) return [];
  const folder = mkdtempSync(join(memoryFolder(), 'metal-sgd-bench-'));
  try {
    const parameters = zeros(Array.from({ length: LEAVES }, () => [bytes / 4 / LEAVES]));
    parameters.forEach(({ data }, i) => data.fill(i + 1));
    const [file, copy, beside] = ['saved', 'copied', 'beside'].map((name) => join(folder, `${name}.safetensors`));
    const save = (): Promise<unknown> => saveTensors(file, parameters);
    const load = (): Promise<unknown> => loadTensors(file, { into: parameters });
    const cp = (): Promise<unknown> => {
      execFileSync('cp', [file, beside]);
      renameSync(beside, copy);
      return Promise.resolve();
    };
    for (const warmUp of [save, cp, load, save, cp]) await warmUp();
    const [saves, copies, loads]: Sample[][] = [[], [], []];
    for (let i = 0; i < Math.min(context.rounds, 9) && !context.watch.signal.aborted; i++) {
      saves.push(await timed(save));
      copies.push(await timed(cp));
      loads.push(await timed(load));
    }
    return [...metricsOf('saving', bytes, saves, copies), ...metricsOf('loading', bytes, loads, copies)];
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

async function timed(model: () => Promise<unknown>): Promise<Sample> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5);
  const start = performance.now();
  await model();
  const seconds = (performance.now() - start) / 1000;
  clearInterval(watch);
  return { seconds, memory: Math.max(most, process.memoryUsage.rss()) - before };
}

function metricsOf(what: string, bytes: number, own: readonly Sample[], copies: readonly Sample[]): Metric[] {
  if (own.length === 0) return [];
  const seconds = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.seconds);
  const rates = seconds(own).map((one) => bytes / one / 1e9);
  const memory = Math.max(...own.map((sample) => sample.memory)) / MIB;
  const name = `${what} ${String(bytes / MIB)} MiB`;
  const part = 'checkpoints';
  return [
    medianMetric({ part, name, unit: 'GB/s' }, rates),
    medianMetric(
      { part, name: `${name}, speed relative to cp`, unit: '', goal: atLeast(0.8) },
      pairedRatios(seconds(copies), seconds(own)),
    ),
    { part, name: `${name}, memory taken meanwhile`, value: memory, unit: 'MiB', goal: atMost(64) },
  ];
}
