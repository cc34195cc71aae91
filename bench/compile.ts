// What bench/baseline has beside the C loops, compiled when it is measured.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './internals';

/**
 * Compiles bench/baseline/`source` to bench/build/`name`.
 *
 * @returns The path.
 * @throws Error in one line.
 */
export function compiled(source: string, name: string, flags: readonly string[]): string {
  const folder = join(ROOT, 'bench', 'build');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  const from = join(ROOT, 'bench', 'baseline', source);
  const { status, error } = spawnSync('cc', [...flags, from, '-o', path, '-ldl']);
  if (error || status !== 0) throw new Error(`cc made nothing of bench/baseline/${source}`);
  return path;
}
