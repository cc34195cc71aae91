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

/** One file of a module and all that it imports, but for `external`. */
function bundle(entry, file, external) {
  const options = { bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };
  const outfile = join(dist, file);
  buildSync({ ...options, absWorkingDir: root, entryPoints: [entry], outfile, external });
  return hardened(readFileSync(outfile, 'utf8'));
}

// Node reads all of it at each start: comments and indents would take it a quarter longer.
const { code } = transformSync(bundle('lib/index.ts', 'library.cjs', ['node-gyp-build']), {
  minifyWhitespace: true,
  lineLimit: 120,
});
writeFileSync(join(dist, 'library.cjs'), code);
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

// Entries for other packages share the one library.
const entry = bundle('lib/tensorflow/index.ts', 'tensorflow.cjs', ['../index', '@tensorflow/tfjs-core']);
writeFileSync(join(dist, 'tensorflow.cjs'), entry.replaceAll('require("../index")', "require('./library.cjs')"));
writeFileSync(join(dist, 'tensorflow.mjs'), "export * from './tensorflow.cjs';\n");
