// The machine, as results tell of it.
import { readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { type Device, devices } from 'metal-sgd';
import { isSimulated } from './simulator';

export interface MachineFacts {
  readonly cpu: string;
  /** Logical processors. */
  readonly processors: number;
  readonly cores: number | null;
  /** Such as `L2 2048K unified`, of the first processor. */
  readonly caches: readonly string[];
  /** Bytes. */
  readonly memory: number;
  readonly system: string;
  /** When memory comes in huge pages by itself; null where that is unknown. */
  readonly hugePages: string | null;
  /** Over the last minute, when the run was over. */
  readonly load: number;
  /** True if the GPU is the Metal simulator's, whose speeds mean nothing. */
  readonly simulated: boolean;
  readonly devices: readonly Device[];
}

const CPU = '/sys/devices/system/cpu';

export function describeMachine(): MachineFacts {
  const processors = cpus();
  return {
    cpu: processors.at(0)?.model.trim() ?? 'unknown',
    processors: processors.length,
    cores: coresOf(processors.length),
    caches: caches(),
    memory: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    hugePages: /\[(\w+)\]/.exec(read('/sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1] ?? null,
    load: loadavg()[0],
    simulated: isSimulated(),
    devices: devices(),
  };
}

function coresOf(processors: number): number | null {
  const siblings = Array.from({ length: processors }, (_, i) =>
    read(`${CPU}/cpu${String(i)}/topology/thread_siblings_list`),
  );
  return siblings.includes(undefined) ? null : new Set(siblings).size;
}

function caches(): string[] {
  const folder = join(CPU, 'cpu0', 'cache');
  return listOf(folder).map((index) => {
    const [level, size, kind] = ['level', 'size', 'type'].map((name) => read(join(folder, index, name)) ?? '?');
    return `L${level} ${size} ${kind.toLowerCase()}`;
  });
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith('index'))
      .sort();
  } catch {
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
