// TypeScript that is compiled into a folder of its own: the benchmarks and the examples.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT, runNode } from './child';

/** Compiles `project` into its `build` folder. File by file in one go: other tests may run what is there. */
export function compile(project: 'bench' | 'examples'): void {
  const folder = join(ROOT, project, 'build');
  const fresh = mkdtempSync(`${folder}-`);
  const built = runNode([require.resolve('typescript/bin/tsc'), '-p', project, '--outDir', fresh]);
  if (built.status !== 0) throw new Error(built.stdout);
  for (const entry of readdirSync(fresh, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const place = join(folder, relative(fresh, file));
    mkdirSync(dirname(place), { recursive: true });
    renameSync(file, place);
  }
  rmSync(fresh, { recursive: true });
}
