// Builds the addon over the Metal simulator into build-sim/, where only METAL_SGD_PREBUILD finds it.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cmake } from '../lib/cmake.mjs';
import { root, runQuietly } from '../lib/run.mjs';

/** The folder to set METAL_SGD_PREBUILD to. */
export const simFolder = join(root, 'build-sim');

const COMPILERS = { C: 'clang-19', CXX: 'clang++-19', OBJCXX: 'clang++-19' };

/** Installs what the simulator needs (or says what to install, and exits), then builds what is stale. */
export function buildSim() {
  runQuietly('sh', ['scripts/lib/install.sh']);
  if (!['build.ninja', 'Makefile'].some((file) => existsSync(join(simFolder, file)))) {
    const settings = {
      CMAKE_BUILD_TYPE: 'Release',
      METAL_SGD_SIM: 'ON',
      METAL_SGD_WERROR: 'ON',
      // node-gyp-build looks for build/Release below the folder that METAL_SGD_PREBUILD names.
      CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(simFolder, 'build', 'Release'),
      ...Object.fromEntries(Object.entries(COMPILERS).map(([language, name]) => [`CMAKE_${language}_COMPILER`, name])),
    };
    const flags = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    runQuietly(cmake(), ['-S', root, '-B', simFolder, ...flags]);
  }
  runQuietly(cmake(), ['--build', simFolder, '--parallel', String(availableParallelism())]);
}
