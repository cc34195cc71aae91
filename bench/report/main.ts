// `npm run bench:report [FILE.json...]`: docs/benchmarks.md and its charts from results, the newest ones by default.
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { ROOT } from '../internals';
import { readResults } from '../results';
import { charts } from './charts';
import { documentOf } from './document';
import { messageOf } from '../errors';

async function main(files: readonly string[], folder: string): Promise<void> {
  const [results, ...others] = (files.length > 0 ? files : [newestResults()]).map(readResults);
  const drawn = await charts(results, others);
  for (const { name, svg } of drawn) write(join(folder, 'benchmarks', name), svg);
  const path = join(folder, 'benchmarks.md');
  write(path, documentOf(results, others, drawn));
  console.log(`${path} and ${String(drawn.length)} charts`);
}

/** By their names, which are dates unless somebody chose another. */
function newestResults(): string {
  const folder = join(ROOT, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const newest = readdirSync(folder)
    .filter((name) => /^\d.*\.json$/.test(name))
    .sort()
    .at(-1);
  if (newest === undefined) throw new Error('there are no results in bench/results: npm run bench makes some');
  return join(folder, newest);
}

/** In one go: whoever looks sees the old file or the whole new one. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

const command = new Command('bench:report')
  .description('Writes benchmarks.md and charts from results of npm run bench.')
  .argument('[files...]', 'results, the main ones first; by default the newest in bench/results')
  .option('--output <folder>', 'where they go', join(ROOT, 'docs'))
  .parse();
main(command.args, command.opts<{ output: string }>().output).catch((error: unknown) => {
  console.error(`bench:report: ${messageOf(error)}`);
  process.exitCode = 1;
});
