// Python packages that tools of ours need, each list in a folder of its own, never in the system's.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fail, root, runQuietly } from './run.mjs';

const QUIET = ['--quiet', '--disable-pip-version-check', '--no-input'];
// A variable, since the flag is unknown to pip before 22.1, as Apple's Python has it.
const ENVIRONMENT = { PIP_ROOT_USER_ACTION: 'ignore' };

const onWindows = process.platform === 'win32';
const PYTHONS = onWindows ? [['py', '-3'], ['python'], ['python3']] : [['python3']];
const NO_PIP = 'no Python 3 with pip or venv was found';
/** A Python environment of ours, with a pip that Python brought along. */
const own = join(root, 'build-tools', 'python');

const python = ([command, ...first], ...args) =>
  spawnSync(command, [...first, ...args], { cwd: root, encoding: 'utf8', env: { ...process.env, ...ENVIRONMENT } });
const hasPip = (candidate) => python(candidate, '-m', 'pip', '--version').status === 0;

/** Moves a folder to its place; it is there already if two asked at once. */
function move(unfinished, folder) {
  if (existsSync(folder)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, folder);
}

/** A Python that has pip: the machine's, or else one of ours; undefined if neither can be had. */
function pythonWithPip() {
  const ours = [join(own, ...(onWindows ? ['Scripts', 'python.exe'] : ['bin', 'python']))];
  const ready = [...PYTHONS, ours].find(hasPip);
  if (ready) return ready;
  const unfinished = `${own}.${process.pid}`;
  mkdirSync(join(root, 'build-tools'), { recursive: true });
  const made = PYTHONS.some((candidate) => python(candidate, '-m', 'venv', unfinished).status === 0);
  if (!made) {
    rmSync(unfinished, { recursive: true, force: true });
    return undefined;
  }
  if (!hasPip(ours)) rmSync(own, { recursive: true, force: true });
  move(unfinished, own);
  return hasPip(ours) ? ours : undefined;
}

/**
 * The folder with the packages of a requirements file, every one named with its hash, or why there is none. pip fills it
 * once for each content of the file, under a name of its own first, so that an interrupted download leaves nothing half
 * there. `options` are more of pip's, for the packages of another platform; `place` says what the folder is.
 * @returns {{ folder: string, failure?: undefined } | { folder?: undefined, failure: string }}
 */
export function tryPythonPackages(requirements, options = [], place = '--target') {
  const contents = [readFileSync(requirements, 'utf8'), ...options].join('\n');
  const wanted = createHash('sha256').update(contents).digest('hex').slice(0, 12);
  const name = basename(join(requirements, '..'));
  const folder = join(root, 'build-tools', `${name}-${wanted}`);
  if (existsSync(folder)) return { folder };
  const found = pythonWithPip();
  if (!found) return { failure: NO_PIP };
  const unfinished = `${folder}.${process.pid}`;
  const pinned = ['--require-hashes', place, unfinished, '-r', requirements, ...options];
  const { status, stderr } = python(found, '-m', 'pip', 'install', ...QUIET, ...pinned);
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    return { failure: stderr.trim() || `pip ended with ${status}` };
  }
  move(unfinished, folder);
  return { folder };
}

/** The same folder; installs pip where Debian's Python has none, and ends the process if there is no folder. */
export function pythonPackages(requirements, ...how) {
  let result = tryPythonPackages(requirements, ...how);
  if (result.failure === NO_PIP) {
    runQuietly('sh', ['scripts/lib/install.sh', 'python3-pip']);
    result = tryPythonPackages(requirements, ...how);
  }
  if (result.failure) fail(`could not install what ${requirements} lists: ${result.failure}`);
  return result.folder;
}

/** The folder of the same with the `bin` and `lib` that packages bring, which `--target` leaves out. */
export function pythonPrefix(requirements) {
  const folder = pythonPackages(requirements, ['--ignore-installed'], '--prefix');
  const debians = join(folder, 'local');
  return existsSync(debians) ? debians : folder;
}
