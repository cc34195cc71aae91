// Starts processes that measure: the addon finds much out only once for each process.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';

/** The built package and its addon, in a child. */
export function loadPackage() {
  const require = createRequire(import.meta.url);
  return { ...require(join(root, 'dist', 'index.js')), addon: () => require('node-gyp-build')(root) };
}

/** Runs a script of this folder; `result` is what it passed to `answer`. */
export function measure(script, options, environment = {}) {
  return runNode(join(root, 'scripts', 'verify', script), options, environment);
}

/** Runs a script that answers by a line of JSON. */
export function runNode(script, options, environment = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(
    process.execPath,
    ['--expose-gc', script, JSON.stringify(options)],
    { encoding: 'utf8', env: { ...process.env, ...environment }, maxBuffer: 1 << 26 },
  );
  if (error) throw error;
  const text = stdout.split('\n').find((line) => line.startsWith('{'));
  if (status === 0 && text) return { result: JSON.parse(text), stderr };
  return { failure: `${script} ended with ${status ?? signal}\n${stderr}`.trim(), stderr };
}

/** What `measure` was given. */
export const given = () => JSON.parse(process.argv[2]);

export const answer = (result) => console.log(JSON.stringify(result));
