// node scripts/build/prebuild/describe.mjs FILE...     prints what a loader would see in each binary, as JSON
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pythonPackages } from '../../lib/python-packages.mjs';
import { root } from '../../lib/run.mjs';

const packages = pythonPackages(join(root, 'scripts', 'release', 'binaries', 'requirements.txt'));
const program = join(root, 'scripts', 'build', 'prebuild', 'describe.py');
const { status } = spawnSync('python3', [program, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PYTHONPATH: packages },
});
process.exit(status ?? 1);
