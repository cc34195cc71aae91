// Builds the addon with cmake-js into build/Release; quiet unless it fails. In CI warnings are errors.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');

function run(command) {
  const flags = ['--CDCMAKE_EXPORT_COMPILE_COMMANDS=ON', ...(process.env.CI ? ['--CDMETAL_SGD_WERROR=ON'] : [])];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [cmakeJs, command, ...flags], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error) throw error;
  if (status === 0) return;
  process.stderr.write(stdout + stderr);
  process.stderr.write('metal-sgd: building the addon needs CMake 3.18 or newer and a C++17 compiler.\n');
  process.exit(status ?? 1);
}

// `build` ignores --CD flags once a cache exists, so configure first.
run('configure');
run('build');
