// Python packages that tools of ours need, each list in a folder of its own, never in the system's.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root, runQuietly } from './run.mjs';

const QUIET = ['--quiet', '--disable-pip-version-check', '--no-input'];
// A variable, since the flag is unknown to pip before 22.1, as Apple's Python has it.
const ENVIRONMENT = { PIP_ROOT_USER_ACTION: 'ignore' };

/**
 * The folder with the packages of a requirements file, every one named with its hash. pip fills it once for each content
 * of the file, under a name of its own first, so that an interrupted download leaves nothing half there. `options` are
 * more of pip's, for the packages of another platform.
 */
export function pythonPackages(requirements, options = []) {
  const contents = [readFileSync(requirements, 'utf8'), ...options].join('\n');
  const wanted = createHash('sha256').update(contents).digest('hex').slice(0, 12);
  const name = basename(join(requirements, '..'));
  const folder = join(root, 'build-tools', `${name}-${wanted}`);
  if (existsSync(folder)) return folder;
  if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0) {
    runQuietly('sh', ['scripts/lib/install.sh', 'python3-pip']);
  }
  const unfinished = `${folder}.${process.pid}`;
  const pinned = ['--require-hashes', '--target', unfinished, '-r', requirements, ...options];
  const install = ['-m', 'pip', 'install', ...QUIET, ...pinned];
  runQuietly('python3', install, { environment: ENVIRONMENT, hint: `could not install what ${requirements} lists` });
  if (!existsSync(folder)) renameSync(unfinished, folder); // it is there if two asked at once
  return folder;
}
