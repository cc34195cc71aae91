// The binaries that the package carries, one for each platform and C library.

/**
 * `libc` is set on Linux alone. `file` is where node-gyp-build looks for it, below the package's folder.
 * @typedef {{ name: string, platform: string, arch: string, libc?: string, file: string }} Target
 */

/** The addon's name, in its file and in CMakeLists.txt. */
export const ADDON = 'metal-sgd';

/** @returns {Target} */
const target = (platform, arch, libc) => ({
  name: [platform, arch, libc].filter(Boolean).join('-'),
  platform,
  arch,
  ...(libc && { libc }),
  file: `prebuilds/${platform}-${arch}/${[ADDON, libc, 'node'].filter(Boolean).join('.')}`,
});

export const TARGETS = [
  target('darwin', 'arm64'),
  target('darwin', 'x64'),
  target('linux', 'x64', 'glibc'),
  target('linux', 'x64', 'musl'),
  target('linux', 'arm64', 'glibc'),
  target('linux', 'arm64', 'musl'),
  target('win32', 'x64'),
];
