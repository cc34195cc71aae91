// Puts a finished binary where it is looked for, whole or not at all, and says which it is.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { root } from '../../lib/run.mjs';

export function place(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const unfinished = `${to}.${process.pid}`;
  try {
    copyFileSync(from, unfinished);
    renameSync(unfinished, to);
  } finally {
    rmSync(unfinished, { force: true });
  }
  const bytes = readFileSync(to);
  const digest = createHash('sha256').update(bytes).digest('hex');
  console.log(`${relative(root, to)}  ${bytes.length} bytes  sha256 ${digest}`);
}
