// Makes one file of the library, dist/library.cjs: to load its many modules one by one would take Node twice as long.
// Before it stands dist/metal-sgd.cjs, which names what it exports: to find the names of an imported CommonJS file, Node
// reads it whole, and that would take longer still. dist/metal-sgd.mjs gives ES modules the same instance. Tests, and
// declarations, use the modules that tsc makes.
import { buildSync, transformSync } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';

const dist = join(root, 'dist');

/** esbuild's helpers, safe beside properties that somebody added to Object.prototype. */
function hardened(text) {
  const loop = 'for (var name in all)';
  if (!text.includes(loop)) throw new Error('esbuild writes another export helper: adapt bundle.mjs');
  const end = text.indexOf('\n\n', text.indexOf('__toCommonJS ='));
  const helpers = text.slice(0, end).replace(loop, 'for (var name of Object.keys(all))');
  return helpers.replaceAll(/\{ (get|value):/g, '{ __proto__: null, $1:') + text.slice(end);
}

buildSync({
  absWorkingDir: root,
  entryPoints: ['lib/index.ts'],
  outfile: join(dist, 'library.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['node-gyp-build'],
  logLevel: 'warning',
});
const library = join(dist, 'library.cjs');
// Node reads all of it at each start: comments and indents would take it a quarter longer.
const { code } = transformSync(hardened(readFileSync(library, 'utf8')), { minifyWhitespace: true, lineLimit: 120 });
writeFileSync(library, code);
const names = Object.keys(createRequire(import.meta.url)(join(dist, 'library.cjs'))).sort();
writeFileSync(
  join(dist, 'metal-sgd.cjs'),
  `'use strict';
const library = require('./library.cjs');
module.exports = library;
// Never runs: says to Node what an ES module can import by name.
0 && (module.exports = { ${names.join(', ')} });
`,
);
writeFileSync(join(dist, 'metal-sgd.mjs'), "export * from './metal-sgd.cjs';\n");
