// Makes the addons for Macs on Linux: build-darwin/darwin-arm64 and build-darwin/darwin-x64. CMakeLists.txt lists the
// sources, scripts/build/darwin/toolchain.cmake says how to compile and link them. Installs what is missing.
//   npm run build:darwin [-- --output FOLDER --only arm64|x64]
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { crossBuild } from './prebuild/cross-build.mjs';
import { place } from './prebuild/place.mjs';
import { fail, root } from '../lib/run.mjs';
import { ADDON, TARGETS } from '../lib/targets.mjs';

if (process.platform === 'darwin') fail('a Mac builds its own addon: npm run build');
if (process.platform !== 'linux') fail('npm run build:darwin works on Linux');
const { values } = parseArgs({
  options: { output: { type: 'string', default: 'build-darwin' }, only: { type: 'string' } },
});
const wanted = TARGETS.filter(({ platform, arch }) => platform === 'darwin' && arch === (values.only ?? arch));
if (wanted.length === 0) fail(`--only: expected arm64 or x64, received ${values.only}`);
const output = resolve(root, values.output);
for (const target of wanted) {
  const addon = crossBuild(target, join(output, `cmake-${target.arch}`));
  place(addon, join(output, target.name, `${ADDON}.node`));
}
