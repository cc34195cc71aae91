// Makes the binaries that the package carries, with prebuildify: all of them on Linux, the machine's own on a Mac and on
// Windows. Each is built in build-prebuilds/NAME, where what is up to date stays; installs what is missing.
//   npm run prebuildify [-- --only NAME[,NAME] --output FOLDER]
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { canBuild } from './prebuild/cross-build.mjs';
import { place } from './prebuild/place.mjs';
import { fail, root } from '../lib/run.mjs';
import { ADDON, TARGETS } from '../lib/targets.mjs';

const nodeGyp = `"${process.execPath}" "${join(root, 'scripts', 'build', 'prebuild', 'node-gyp.mjs')}"`;
const names = TARGETS.map(({ name }) => name);

/** The targets of --only, or every one. */
function asked(only) {
  if (only === undefined) return TARGETS;
  const wanted = only.split(',');
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) fail(`--only: expected names of ${names.join(', ')}; received ${unknown.join(', ')}`);
  return TARGETS.filter(({ name }) => wanted.includes(name));
}

async function make({ name, platform, arch, libc, file }, output) {
  const folder = join(root, 'build-prebuilds', name);
  mkdirSync(folder, { recursive: true });
  await promisify(prebuildify)({
    ...{ platform, arch, libc, name: ADDON, napi: true, tagLibc: libc !== undefined },
    targets: [process.versions.node], // of no meaning for Node-API, but asked for
    ...{ cwd: folder, out: folder, cache: folder, nodeGyp, shell: true },
    strip: process.platform === 'darwin', // elsewhere the linker did
  });
  place(join(folder, file), join(output, file));
}

const { values } = parseArgs({
  options: { output: { type: 'string', default: '.' }, only: { type: 'string' } },
});
const wanted = asked(values.only);
const possible = wanted.filter(canBuild);
const others = wanted.filter((target) => !canBuild(target)).map(({ name }) => name);
if (others.length > 0) {
  const message = `not made on ${process.platform}-${process.arch}: ${others.join(', ')}; Linux makes them all`;
  if (values.only !== undefined) fail(message);
  console.log(`metal-sgd: ${message}`);
}
for (const target of possible) {
  await make(target, resolve(root, values.output)).catch((error) => fail(`${target.name}: ${error.message}`));
}
