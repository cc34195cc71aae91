// Builds the addon by cmake-js and CMakeLists.txt: on Linux with zig as the compiler, which makes them for every platform
// alike and for old systems; on a Mac and on Windows for the machine itself, with its own compiler.
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runCMakeJs } from '../../lib/cmake.mjs';
import { root } from '../../lib/run.mjs';
import { ADDON } from '../../lib/targets.mjs';
import { installPackages, installZig, ZIG_ENVIRONMENT } from '../../lib/zig.mjs';

/** The oldest systems that the binaries run on, as zig names them. */
const ZIG_TARGETS = {
  'darwin-arm64': 'aarch64-macos.13.0',
  'darwin-x64': 'x86_64-macos.13.0',
  'linux-x64-glibc': 'x86_64-linux-gnu.2.28',
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-glibc': 'aarch64-linux-gnu.2.28',
  'linux-arm64-musl': 'aarch64-linux-musl',
  'win32-x64': 'x86_64-windows-gnu',
};

const TOOLCHAINS = {
  darwin: 'scripts/build/darwin/toolchain.cmake',
  linux: 'scripts/build/prebuild/linux.cmake',
  win32: 'scripts/build/prebuild/windows.cmake',
};

/** Debian's packages that a platform needs beside zig. */
const PACKAGES = {
  win32: { 'binutils-mingw-w64-x86-64': [['x86_64-w64-mingw32-dlltool', '--version']] },
  darwin: { 'lld-19': [['ld64.lld-19', '--version'], ['ld64.lld', '--version']] }, // prettier-ignore
};

/** Whether zig makes it. */
export const isCross = ({ name }) => process.platform === 'linux' && name in ZIG_TARGETS;

/** Whether this machine can make it. */
export const canBuild = (target) =>
  isCross(target) || (target.platform === process.platform && target.arch === process.arch);

/**
 * Brings the addon in `folder` up to date.
 * @returns {string} the addon
 */
export function cmakeJs(folder, options, environment = {}) {
  const places = ['--directory', root, '--out', folder, `--CDCMAKE_LIBRARY_OUTPUT_DIRECTORY_RELEASE=${folder}`];
  const flags = [...places, '--CDMETAL_SGD_WERROR=ON', '--parallel', String(availableParallelism()), ...options];
  // A cache keeps the flags of a toolchain as they first were; without one, what is up to date still is.
  rmSync(join(folder, 'CMakeCache.txt'), { force: true });
  runCMakeJs(folder, ['configure', 'build'], flags, environment);
  return join(folder, `${ADDON}.node`);
}

/**
 * The same for another platform than this machine's.
 * @param {import('../../lib/targets.mjs').Target} target
 */
export function crossBuild({ name, platform, arch }, folder) {
  installPackages(PACKAGES[platform] ?? {});
  const settings = {
    CMAKE_TOOLCHAIN_FILE: join(root, TOOLCHAINS[platform]),
    METAL_SGD_ZIG: installZig(),
    METAL_SGD_ZIG_TARGET: ZIG_TARGETS[name],
  };
  const flags = Object.entries(settings).map(([key, value]) => `--CD${key}=${value}`);
  return cmakeJs(folder, ['--arch', arch, ...flags], ZIG_ENVIRONMENT);
}
