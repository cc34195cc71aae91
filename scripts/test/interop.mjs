// Runs test/interop against real MLX and the reference safetensors, in a Python environment of its own. `--newest` takes
// the newest versions that there are, each time anew. Other arguments go to Jest.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, runVisibly } from '../lib/run.mjs';

const newest = process.argv.includes('--newest');
const jestArguments = process.argv.slice(2).filter((argument) => argument !== '--newest');
// MLX's wheels for Linux need the extra; on a Mac it has none.
const PINNED = [
  process.platform === 'darwin' ? 'mlx==0.32.4' : 'mlx[cpu]==0.32.4',
  'safetensors==0.8.0',
  'numpy==2.4.6',
];
const PACKAGES = newest ? PINNED.map((pinned) => pinned.split('==')[0]) : PINNED;
const environment = join(root, 'node_modules', '.cache', 'metal-sgd-interop');
const python = join(environment, 'bin', 'python');
const stamp = join(environment, 'packages.txt');

/** Python's own tool for environments: a package of its own on Debian and Ubuntu, which is installed if it is missing. */
function makeEnvironment() {
  const make = () => spawnSync('python3', ['-m', 'venv', environment], { stdio: 'ignore' }).status === 0;
  if (make()) return;
  rmSync(environment, { recursive: true, force: true });
  runVisibly('sh', [join('scripts', 'lib', 'install.sh'), 'python3-venv']);
  if (make()) return;
  console.error('metal-sgd: test:interop needs Python 3.10 or newer with venv.');
  process.exit(1);
}

function isReady() {
  return !newest && existsSync(stamp) && readFileSync(stamp, 'utf8') === PACKAGES.join('\n');
}

if (!isReady()) {
  rmSync(environment, { recursive: true, force: true });
  makeEnvironment();
  runVisibly(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]);
  if (newest) runVisibly(python, ['-m', 'pip', 'list', '--disable-pip-version-check']);
  writeFileSync(stamp, PACKAGES.join('\n'));
}
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
runVisibly(process.execPath, [jest, '--testPathPatterns', '/test/interop/', ...jestArguments], {
  METAL_SGD_PYTHON: python,
});
