// CMake: the machine's, or else one from PyPI in build-tools, with Ninja beside it.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { tryPythonPackages } from './python-packages.mjs';
import { fail, root, runQuietly } from './run.mjs';

/** As in CMakeLists.txt. */
const OLDEST = [3, 18];
const exe = process.platform === 'win32' ? '.exe' : '';

const runs = (command, ...args) => spawnSync(command, args).status === 0;

function isNewEnough() {
  const { stdout } = spawnSync('cmake', ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /^cmake version (\d+)\.(\d+)/m.exec(stdout ?? '')?.map(Number) ?? [];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** Whether there is a C++ compiler. On a Mac without one, `c++` is a program that asks for its installation. */
function hasCompiler() {
  if (process.platform === 'darwin') return runs('xcode-select', '-p');
  if (process.platform === 'win32') return true; // cmake-js looks for Visual Studio, and says so if there is none
  return ['c++', 'g++', 'clang++'].some((name) => runs(name, '--version'));
}

/** Of Debian, Alpine and Fedora; Alpine has no make beside g++. */
const PACKAGE_MANAGERS = [
  ['apt-get', 'apt-get install cmake g++'],
  ['apk', 'apk add cmake g++ make'],
  ['dnf', 'dnf install cmake gcc-c++'],
];

/** The command that installs what a build needs. */
export function installCommand(platform, compiler) {
  if (platform === 'darwin') return compiler ? 'brew install cmake' : 'xcode-select --install';
  if (platform === 'win32') return 'winget install Kitware.CMake';
  const [, command] = PACKAGE_MANAGERS.find(([name]) => runs(name, '--version')) ?? [];
  return command ?? "cmake and g++, by your system's package manager";
}

/** What to do after a build failed, in a sentence. */
function advice() {
  const needs = 'building the addon needs CMake 3.18 or newer and a C++17 compiler';
  return hasCompiler() ? `${needs}.` : `${needs}: ${installCommand(process.platform, false)}`;
}

function bring() {
  const compiler = hasCompiler();
  const command = installCommand(process.platform, compiler);
  if (!compiler) fail(`there is no C++ compiler. Install one: ${command}`);
  const { folder, failure } = tryPythonPackages(join(root, 'scripts', 'build', 'cmake', 'requirements.txt'));
  if (failure) fail(`there is no CMake 3.18 or newer, and PyPI gave none: ${failure}\nInstall it: ${command}`);
  // process.env, since Windows calls the variable Path.
  if (!runs('ninja', '--version')) process.env.PATH = [join(folder, 'bin'), process.env.PATH].join(delimiter);
  return join(folder, 'cmake', 'data', 'bin', `cmake${exe}`);
}

let found;

/** The program: `cmake` if that is new enough. One from PyPI brings Ninja onto the PATH, if there was none. */
export function cmake() {
  found ??= isNewEnough() ? 'cmake' : bring();
  return found;
}

/** Removes a cache of CMake's that names another generator than Ninja, or a program that is gone; objects stay. */
export function dropStaleCache(folder) {
  const cache = join(folder, 'CMakeCache.txt');
  if (process.platform === 'win32' || !existsSync(cache)) return;
  const text = readFileSync(cache, 'utf8');
  const value = (name) => new RegExp(`^${name}:\\w+=(.*)$`, 'm').exec(text)?.[1] ?? '';
  const programs = ['CMAKE_MAKE_PROGRAM', 'CMAKE_COMMAND'].map(value);
  const generator = runs('ninja', '--version') ? 'Ninja' : 'Unix Makefiles';
  if (value('CMAKE_GENERATOR') !== generator || !programs.every(existsSync)) rmSync(cache);
}

/** Runs commands of cmake-js, quiet unless one fails, in the build folder `folder`. */
export function runCMakeJs(folder, commands, flags, environment = {}) {
  const program = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const path = cmake();
  const chosen = path === 'cmake' ? [] : ['--cmake-path', path];
  dropStaleCache(folder);
  for (const command of commands) {
    runQuietly(process.execPath, [program, command, ...chosen, ...flags], { environment, hint: advice });
  }
}
