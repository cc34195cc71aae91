// Which processors the threads of both sides are bound to, so that none is moved while it is measured. Linux only.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { setThreads } from './internals';

/** One processor of each physical core that this process may use; empty where that can't be told or used. */
export function boundProcessors(): number[] {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).error) return [];
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const seen = new Set<string>();
  return listOf(allowed?.[1] ?? '').filter((cpu) => {
    const siblings = siblingsOf(cpu);
    return !seen.has(siblings) && seen.add(siblings);
  });
}

/** Binds the package's threads as the C program binds its own: the calling one to the first, the others in turn. */
export function bindThreads(processors: readonly number[]): void {
  if (processors.length === 0) return;
  const before = new Set(threadIds());
  startPool(processors.length);
  const pool = threadIds().filter((id) => !before.has(id));
  [String(process.pid), ...pool].slice(0, processors.length).forEach((id, i) => {
    spawnSync('taskset', ['-cp', String(processors[i]), id]);
  });
}

/** A step that is large enough for the pool to start all of its threads. */
function startPool(threads: number): void {
  setThreads(threads);
  const parameters = zeros(1 << 22);
  new SGD(0).update(parameters, zerosLike(parameters));
}

const threadIds = (): string[] => readdirSync('/proc/self/task');

/** `0-2,5` means 0, 1, 2 and 5. */
function listOf(ranges: string): number[] {
  return ranges.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function siblingsOf(cpu: number): string {
  try {
    return readFileSync(`/sys/devices/system/cpu/cpu${String(cpu)}/topology/thread_siblings_list`, 'utf8');
  } catch {
    return `only ${String(cpu)}`;
  }
}
