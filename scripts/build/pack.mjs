// node scripts/build/pack.mjs FOLDER: packs the package with this machine's binary, and prints the path of the tarball.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runQuietly } from '../lib/run.mjs';

/** npm's own program where npm runs this; a shell finds it elsewhere. */
export function npm(...args) {
  const { npm_execpath: program } = process.env;
  if (program?.endsWith('.js')) runQuietly(process.execPath, [program, ...args]);
  else runQuietly('npm', args);
}

/** Brings binaries up to date. */
export function makeBinaries(names) {
  runQuietly(process.execPath, ['scripts/build/prebuildify.mjs', '--only', names.join()]);
}

/** A new tarball of the package in `folder`, which it empties; returns its path. */
export function pack(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  npm('pack', '--ignore-scripts', '--pack-destination', folder);
  return join(folder, readdirSync(folder)[0]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { arch, platform } = process;
  makeBinaries([platform === 'linux' ? `linux-${arch}-glibc` : `${platform}-${arch}`]);
  console.log(pack(process.argv[2]));
}
