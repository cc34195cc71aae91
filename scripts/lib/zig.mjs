// zig, whose C++ compiler brings the headers and libraries of every platform, and Debian's packages that go with it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pythonPackages } from './python-packages.mjs';
import { root, runQuietly } from './run.mjs';

const cache = join(root, 'build-tools', 'zig-cache');

/** zig's caches are kept with the tools: a cold start takes minutes for each platform. */
export const ZIG_ENVIRONMENT = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };

/** @returns {string} the zig program, installed if need be */
export const installZig = () =>
  join(pythonPackages(join(root, 'scripts', 'build', 'prebuild', 'requirements.txt')), 'ziglang', 'zig');

const runs = ([command, ...args]) => spawnSync(command, args).status === 0;

/** Installs those of Debian's (and Ubuntu's) packages of which no command runs; elsewhere says what to install. */
export function installPackages(commands) {
  const missing = Object.keys(commands).filter((name) => !commands[name].some(runs));
  if (missing.length > 0) runQuietly('sh', ['scripts/lib/install.sh', ...missing]);
}
