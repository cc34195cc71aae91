// Makes the addons for Macs on Linux: build-darwin/darwin-arm64 and build-darwin/darwin-x64. CMakeLists.txt lists the
// sources, scripts/darwin/toolchain.cmake says how to compile and link them. Installs what is missing.
//   npm run build:darwin [-- --output FOLDER --only arm64|x64]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root, runQuietly } from './run-quietly.mjs';

const tools = join(root, 'build-darwin', 'tools');
const requirements = join(root, 'scripts', 'darwin', 'requirements.txt');

/** Apple's name of each architecture that Node has a name for. */
const ARCHITECTURES = { arm64: 'arm64', x64: 'x86_64' };

function fail(message) {
  console.error(`metal-sgd: ${message}`);
  process.exit(1);
}

const runs = (command, ...args) => spawnSync(command, args).status === 0;

/** The linker, and Python with pip for the compiler: installed on Debian and Ubuntu, asked for elsewhere. */
function installLinkerAndPip() {
  const missing = [];
  if (!runs('ld64.lld-19', '--version') && !runs('ld64.lld', '--version')) missing.push('lld-19');
  if (!runs('python3', '-m', 'pip', '--version')) missing.push('python3-pip');
  if (missing.length > 0) runQuietly('sh', ['test/metal-sim/install.sh', ...missing]);
}

/** The zig program, installed by pip once for each version that is asked for. */
function installZig() {
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(tools, `zig-${wanted}`);
  const zig = join(folder, 'ziglang', 'zig');
  if (existsSync(zig)) return zig;
  const unfinished = `${folder}.${process.pid}`;
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--root-user-action=ignore'];
  runQuietly('python3', [
    '-m',
    'pip',
    'install',
    ...quiet,
    '--require-hashes',
    '--target',
    unfinished,
    '-r',
    requirements,
  ]);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return zig;
}

function build(architecture, zig, output) {
  const objects = join(output, `cmake-${architecture}`);
  const folder = join(output, `darwin-${architecture}`);
  // A cache keeps the flags of the toolchain as they first were; without one, what is up to date still is.
  rmSync(join(objects, 'CMakeCache.txt'), { force: true });
  const settings = {
    CMAKE_TOOLCHAIN_FILE: join(root, 'scripts', 'darwin', 'toolchain.cmake'),
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: folder,
    METAL_SGD_DARWIN_ARCH: ARCHITECTURES[architecture],
    METAL_SGD_WERROR: 'ON',
    METAL_SGD_ZIG: zig,
  };
  runQuietly('cmake', [
    '-S',
    root,
    '-B',
    objects,
    ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
  ]);
  const cache = join(tools, 'cache');
  runQuietly('cmake', ['--build', objects, '--parallel', String(availableParallelism())], {
    environment: { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  });
  return join(folder, 'metal-sgd.node');
}

if (process.platform === 'darwin') fail('a Mac builds its own addon: npm run build');
if (process.platform !== 'linux') fail('npm run build:darwin works on Linux');
const { values } = parseArgs({
  options: { output: { type: 'string', default: 'build-darwin' }, only: { type: 'string' } },
});
const architectures = Object.keys(ARCHITECTURES).filter((name) => name === (values.only ?? name));
if (architectures.length === 0) fail(`--only: expected arm64 or x64, received ${values.only}`);
const output = resolve(root, values.output);
installLinkerAndPip();
const zig = installZig();
for (const architecture of architectures) {
  const file = build(architecture, zig, output);
  const digest = createHash('sha256').update(readFileSync(file)).digest('hex');
  console.log(`${relative(root, file)}  sha256 ${digest}`);
}
