// For scripts that run in a process of their own: the addon finds much out only once for each process.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';

/** The built package and its addon. */
export function loadPackage() {
  const require = createRequire(import.meta.url);
  return { ...require(join(root, 'dist', 'index.js')), addon: () => require('node-gyp-build')(root) };
}

/** What `ask` was given. */
export const given = () => JSON.parse(process.argv[2]);

export const answer = (result) => console.log(JSON.stringify(result));
