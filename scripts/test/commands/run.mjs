// One row of the table, run.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../lib/run.mjs';
import { lineOf } from './table.mjs';

/** What git sees of the working tree. */
function workingTree(folder) {
  const git = (...args) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 });
  return git('status', '--porcelain') + git('diff', 'HEAD', '--binary');
}

/** Runs what stands for a row; why that went wrong, and what it printed. */
export function problemOf(row, folder = root) {
  if (row.makes) rmSync(join(folder, row.makes), { force: true }); // an old one proves nothing
  const before = workingTree(folder);
  const { status, signal, stdout, stderr, error } = spawnSync(lineOf(row), {
    ...{ cwd: folder, shell: true, encoding: 'utf8', maxBuffer: 1 << 28 },
  });
  const output = `${stdout}${stderr}`;
  if (error) return { problem: error.message, output };
  if (status !== 0) return { problem: signal ? `ended by ${signal}` : `status ${status}`, output };
  if (row.makes && !existsSync(join(folder, row.makes))) return { problem: `it made no ${row.makes}`, output };
  if (row.prints && !stdout.includes(row.prints)) return { problem: `it did not print '${row.prints}'`, output };
  const after = workingTree(folder);
  return after === before ? {} : { problem: 'it changed the working tree', output: after };
}
