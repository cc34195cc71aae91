// Puts the addon that `npm run build` left where the package would have it: this machine's own build, by its own compiler.
//   node scripts/release/take-build.mjs TARGET FOLDER     for example linux-x64-glibc native
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { place } from '../build/prebuild/place.mjs';
import { root } from '../lib/run.mjs';
import { ADDON, TARGETS } from '../lib/targets.mjs';

const [name, folder] = process.argv.slice(2);
const target = TARGETS.find((one) => one.name === name);
const built = join(root, 'build', 'Release', `${ADDON}.node`);
if (!target || !folder) {
  console.error(
    `usage: node scripts/release/take-build.mjs TARGET FOLDER, a target of ${TARGETS.map((one) => one.name).join(', ')}`,
  );
  process.exit(2);
}
if (target.platform !== process.platform || target.arch !== process.arch) {
  console.error(
    `take-build: expected to run on ${target.platform}-${target.arch}, runs on ${process.platform}-${process.arch}`,
  );
  process.exit(1);
}
if (!existsSync(built)) {
  console.error(`take-build: there is no ${built}: run npm run build`);
  process.exit(1);
}
place(built, join(resolve(folder), target.file));
