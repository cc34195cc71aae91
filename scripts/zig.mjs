// zig, whose C++ compiler brings the headers and libraries of every platform, and what goes with it. Installed by pip
// into build-tools/, once for each version that scripts/prebuild/requirements.txt asks for.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, runQuietly } from './run-quietly.mjs';

const tools = join(root, 'build-tools');
const requirements = join(root, 'scripts', 'prebuild', 'requirements.txt');
const cache = join(tools, 'zig-cache');

/** What zig's caches need: kept with the tools, since a cold start takes minutes. */
export const ZIG_ENVIRONMENT = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };

const runs = (command, ...args) => spawnSync(command, args).status === 0;

/** Debian's packages (on Ubuntu too; elsewhere the script says what to install): those that `commands` lack. */
export function installPackages(commands) {
  const missing = Object.entries(commands).filter(([, ways]) => !ways.some((command) => runs(...command)));
  if (missing.length > 0) runQuietly('sh', ['test/metal-sim/install.sh', ...missing.map(([name]) => name)]);
}

/** @returns {string} the zig program */
export function installZig() {
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(tools, `zig-${wanted}`);
  const zig = join(folder, 'ziglang', 'zig');
  if (existsSync(zig)) return zig;
  installPackages({ 'python3-pip': [['python3', '-m', 'pip', '--version']] });
  const unfinished = `${folder}.${process.pid}`;
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--root-user-action=ignore'];
  const pinned = ['--require-hashes', '--target', unfinished, '-r', requirements];
  runQuietly('python3', ['-m', 'pip', 'install', ...quiet, ...pinned]);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return zig;
}
