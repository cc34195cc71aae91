// Builds the addon with cmake-js into build/Release; quiet unless it fails. In CI warnings are errors.
import { join } from 'node:path';
import { runCMakeJs } from '../lib/cmake.mjs';
import { root } from '../lib/run.mjs';

const flags = ['--CDCMAKE_EXPORT_COMPILE_COMMANDS=ON', ...(process.env.CI ? ['--CDMETAL_SGD_WERROR=ON'] : [])];

// `build` ignores --CD flags once a cache exists, so configure first.
runCMakeJs(join(root, 'build'), ['configure', 'build'], flags);
