// Builds the addon with cmake-js into build/Release; quiet unless it fails. In CI warnings are errors.
import { createRequire } from 'node:module';
import { runQuietly } from '../lib/run.mjs';

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const flags = ['--CDCMAKE_EXPORT_COMPILE_COMMANDS=ON', ...(process.env.CI ? ['--CDMETAL_SGD_WERROR=ON'] : [])];
const hint = 'building the addon needs CMake 3.18 or newer and a C++17 compiler.';

// `build` ignores --CD flags once a cache exists, so configure first.
for (const command of ['configure', 'build']) runQuietly(process.execPath, [cmakeJs, command, ...flags], { hint });
