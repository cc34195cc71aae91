// Which addon is tested: a build that lies about must not be taken for the binary under test.
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { basename } = require('node:path');

/** Our addons that this process has mapped; where the system doesn't tell, those that `require` has loaded. */
function loadedAddons() {
  const isOurs = (file) => basename(file).startsWith('metal-sgd.') && file.endsWith('.node');
  if (process.platform !== 'linux') return Object.keys(require.cache).filter(isOurs);
  const files = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return [...new Set(files.map((line) => line.split(/\s+/)[5] ?? '').filter(isOurs))];
}

/** Throws if another addon was loaded than the one that METAL_SGD_BINARY names, or if none was and one must be. */
function expectBinary({ orNone = false } = {}) {
  const found = loadedAddons();
  if (!orNone || found.length > 0) assert.deepEqual(found, [process.env['METAL_SGD_BINARY']]);
}

module.exports = { expectBinary };
