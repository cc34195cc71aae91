// Gathers the binaries of a release in ./prebuilds, anew, and fails if one is missing.
//   node scripts/release/assemble.mjs OWN CROSS     folders with prebuilds/: each platform's own builds, the cross-built ones
// Macs and Windows get their own, made by Apple's and Microsoft's tools, and signed on a Mac. Linux gets the cross-built
// ones: a build on today's machines asks for the C library of today.
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { place } from '../build/prebuild/place.mjs';
import { TARGETS } from '../lib/targets.mjs';

const [own, cross] = process.argv.slice(2);
if (!own || !cross) {
  console.error('usage: node scripts/release/assemble.mjs OWN CROSS');
  process.exit(2);
}
const sources = TARGETS.map(({ platform, file }) => ({
  from: resolve(platform === 'linux' ? cross : own, file),
  file,
}));
const missing = sources.filter(({ from }) => !existsSync(from));
for (const { from } of missing) console.error(`assemble: there is no ${from}`);
if (missing.length > 0) process.exit(1);
rmSync('prebuilds', { recursive: true, force: true });
for (const { from, file } of sources) place(from, resolve(file));
