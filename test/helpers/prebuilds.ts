// The binaries of the package, as `npm run prebuildify` makes them.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The file of a target, such as linux-x64-glibc, below a folder of sources. */
export function prebuildOf(folder: string, name: string): string {
  const [platform, arch, libc] = name.split('-');
  return join(folder, 'prebuilds', `${platform}-${arch}`, ['metal-sgd', libc, 'node'].filter(Boolean).join('.'));
}

/** Makes those that are not up to date. */
export function makePrebuilds(folder: string, names: readonly string[]): void {
  const program = join(folder, 'scripts', 'build', 'prebuildify.mjs');
  execFileSync(process.execPath, [program, '--only', names.join()], { stdio: 'pipe' });
}
