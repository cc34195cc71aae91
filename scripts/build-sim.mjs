// Builds the addon over the Metal simulator into build-sim/, where only METAL_SGD_PREBUILD finds it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The folder to set METAL_SGD_PREBUILD to. */
export const simFolder = join(root, 'build-sim');

function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error) throw error;
  if (status === 0) return;
  process.stderr.write(stdout + stderr);
  process.exit(status ?? 1);
}

/** Installs what the simulator needs (or says what to install, and exits), then builds what is stale. */
export function buildSim() {
  run('sh', 'test/metal-sim/install.sh');
  if (!existsSync(join(simFolder, 'build.ninja'))) {
    const compilers = [
      ['C', 'clang-19'],
      ['CXX', 'clang++-19'],
      ['OBJCXX', 'clang++-19'],
    ].map(([language, compiler]) => `-DCMAKE_${language}_COMPILER=${compiler}`);
    // node-gyp-build looks for build/Release below the folder that METAL_SGD_PREBUILD names.
    const output = `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(simFolder, 'build', 'Release')}`;
    const flags = ['-DCMAKE_BUILD_TYPE=Release', '-DMETAL_SGD_SIM=ON', '-DMETAL_SGD_WERROR=ON', output, ...compilers];
    run('cmake', '-S', '.', '-B', simFolder, '-G', 'Ninja', ...flags);
  }
  run('cmake', '--build', simFolder);
}
