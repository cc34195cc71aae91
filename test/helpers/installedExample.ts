// An example in an empty folder, with the packed package and what its package.json names, as a user has it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './child';

/** Packs the package once, into this folder. */
export function packInto(folder: string): string {
  const printed = run(ROOT, [process.execPath, 'scripts/build/pack.mjs', join(folder, 'tarball')]);
  return printed.trim().split('\n').at(-1) ?? '';
}

/** Installs an example of `examples` there; returns the folder in which it runs. */
export function installExample(name: string, folder: string, tarball: string): string {
  const examples = join(folder, 'examples');
  const place = join(examples, name);
  mkdirSync(place, { recursive: true });
  cpSync(join(ROOT, 'examples', 'data'), join(examples, 'data'), { recursive: true });
  cpSync(join(ROOT, 'examples', name), place, {
    recursive: true,
    filter: (from) => !from.includes('node_modules'),
  });
  const file = join(place, 'package.json');
  const manifest = readFileSync(file, 'utf8');
  writeFileSync(file, manifest.replace('file:../..', `file:${tarball}`));
  run(place, ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund']);
  return place;
}

/** What a command printed that must end well. */
export function run(folder: string, [program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')} ended with ${String(status)}\n${stdout}\n${stderr}`);
}
