// Where CMake comes from: the PATH, or PyPI. Tried in a copy of the scripts, on a PATH of stand-ins alone.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { type Run, standIns } from '../helpers/releaseScript';

const newFolder = temporaryFolders();

/** What a stand-in of pip installs into the folder after --target. */
const INSTALL = `while [ "$1" != --target ]; do shift; done
  mkdir -p "$2/cmake/data/bin" "$2/bin"
  echo made > "$2/cmake/data/bin/cmake"`;
/** A Python: the answers to \`-m pip --version\`, \`-m pip install\` and \`-m venv FOLDER\`. */
const pythonThat = (pip: string, install = INSTALL, venv = 'exit 1'): string =>
  `case "$2 $3" in "pip --version") ${pip};; "pip install") ${install};; venv*) ${venv};; esac`;
const sayVersion = (version: string): string => `echo "cmake version ${version}"`;

const IMPORT = "import { cmake, dropStaleCache, installCommand, runCMakeJs } from './scripts/lib/cmake.mjs';";
/** Prints the program and whether a folder of build-tools stands on the PATH. */
const ASK = 'console.log(cmake(), process.env.PATH.includes("build-tools"));';

interface Asked extends Run {
  /** The copy that the scripts ran in. */
  readonly folder: string;
  readonly calls: readonly string[];
}

/** Runs code after IMPORT, where these programs and those of POSIX are all that there is. */
function ask(programs: Readonly<Record<string, string>>, code = ASK, folder = newFolder()): Asked {
  for (const part of ['scripts/lib', 'scripts/build/cmake'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  const path = newFolder();
  for (const name of ['sh', 'mkdir', 'cp', 'chmod']) symlinkSync(join('/bin', name), join(path, name));
  const { calls } = standIns(path, { 'c++': '', 'xcode-select': '', 'apt-get': '', ...programs });
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', IMPORT + code], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: path },
  });
  return { status, stdout: stdout.replaceAll(/-[0-9a-f]{12}/g, '-HASH'), stderr, folder, calls: calls() };
}

const BROUGHT = join('build-tools', 'cmake-HASH', 'cmake', 'data', 'bin', 'cmake');

test.each(['3.18.0', '3.25.1', '4.0.0-rc1', '10.1.0'])("the machine's CMake %s is taken", (version) => {
  const { status, stdout, stderr, calls } = ask({ cmake: sayVersion(version), python3: pythonThat('') });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'cmake false\n', stderr: '' });
  expect(calls).toEqual(['cmake --version']);
});

test.each(['2.99.0', '3.9.6', '3.17.5'])('instead of CMake %s one is brought from PyPI, with Ninja', (version) => {
  const { status, stdout, stderr, folder, calls } = ask({ cmake: sayVersion(version), python3: pythonThat('') });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${join(folder, BROUGHT)} true\n`, stderr: '' });
  expect(calls.find((call) => call.includes('pip install'))).toMatch(/--require-hashes .*scripts\/build\/cmake\/req/);
});

test('where there is no CMake but a Ninja, only CMake is brought; the second time nothing is installed', () => {
  const programs = { ninja: '', python3: pythonThat('') };
  const first = ask(programs);
  expect(first.stdout).toBe(`${join(first.folder, BROUGHT)} false\n`);
  const second = ask(programs, ASK, first.folder);
  expect(second.stdout).toBe(first.stdout);
  expect(second.calls.filter((call) => call.startsWith('python3'))).toEqual([]);
});

test('a Python without pip makes an environment that has it, once', () => {
  const pip = join(newFolder(), 'python');
  writeFileSync(pip, `#!/bin/sh\n${pythonThat('', INSTALL)}\n`, { mode: 0o755 });
  const python3 = pythonThat('exit 1', 'exit 1', `mkdir -p "$3/bin"; cp -p '${pip}' "$3/bin/python"`);
  const { status, stdout, stderr, folder } = ask({ python3 });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${join(folder, BROUGHT)} true\n`, stderr: '' });
  expect(existsSync(join(folder, 'build-tools', 'python', 'bin', 'python'))).toBe(true);
});

test.each([
  ['no Python', {}, 'no Python 3 with pip or venv was found'],
  ['neither pip nor venv', { python3: pythonThat('exit 1') }, 'no Python 3 with pip or venv was found'],
  ['a pip that fails', { python3: pythonThat('', 'echo "no network" >&2; exit 1') }, 'no network'],
])('%s: says why, and what to run', (_, programs, why) => {
  const { status, stderr, folder } = ask(programs);
  expect(status).toBe(1);
  const command = process.platform === 'darwin' ? 'brew install cmake' : 'apt-get install cmake g++';
  expect(stderr).toBe(
    `metal-sgd: there is no CMake 3.18 or newer, and PyPI gave none: ${why}\nInstall it: ${command}\n`,
  );
  expect(existsSync(join(folder, 'build-tools', 'python'))).toBe(false);
});

test('where there is no compiler either, nothing is downloaded', () => {
  const { status, stderr, calls } = ask({ 'c++': 'exit 1', 'xcode-select': 'exit 2', python3: pythonThat('') });
  const command = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install cmake g++';
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `metal-sgd: there is no C++ compiler. Install one: ${command}\n`,
  });
  expect(calls.filter((call) => call.startsWith('python3'))).toEqual([]);
});

test('each system has its command', () => {
  const { stdout } = ask(
    {},
    `for (const platform of ['darwin', 'linux', 'win32'])
       console.log([true, false].map((compiler) => installCommand(platform, compiler)).join(', '));`,
  );
  expect(stdout.trim().split('\n')).toEqual([
    'brew install cmake, xcode-select --install',
    'apt-get install cmake g++, apt-get install cmake g++',
    'winget install Kitware.CMake, winget install Kitware.CMake',
  ]);
});

test.each([
  ['apt-get', 'apt-get install cmake g++'],
  ['apk', 'apk add cmake g++ make'],
  ['dnf', 'dnf install cmake gcc-c++'],
  ['none of them', "cmake and g++, by your system's package manager"],
])('on a Linux with %s as its package manager the hint is its own', (manager, command) => {
  const absent = Object.fromEntries(['apt-get', 'apk', 'dnf'].map((name) => [name, 'exit 127']));
  const { stdout } = ask({ ...absent, [manager]: '' }, "console.log(installCommand('linux', false))");
  expect(stdout).toBe(`${command}\n`);
});

/** Runs a build by a stand-in of cmake-js that prints its arguments and ends with a status. */
function build(programs: Readonly<Record<string, string>>, ends: number): Asked {
  const folder = newFolder();
  const bin = join(folder, 'node_modules', 'cmake-js', 'bin');
  mkdirSync(bin, { recursive: true });
  const print = 'console.error(JSON.stringify(process.argv.slice(2)))';
  writeFileSync(join(bin, 'cmake-js'), `${print}; process.exit(${String(ends)});`);
  return ask({ python3: pythonThat(''), ...programs }, "runCMakeJs('build', ['configure', 'build'], ['--x']);", folder);
}

test('a build is quiet; one that fails shows all of cmake-js, and what it was given', () => {
  expect(build({}, 0)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const needs = 'metal-sgd: building the addon needs CMake 3.18 or newer and a C++17 compiler';
  const own = build({ cmake: sayVersion('3.25.1') }, 3);
  expect(own).toMatchObject({ status: 3, stderr: `["configure","--x"]\n${needs}.\n` });
  const brought = build({}, 3);
  expect(brought.stderr.replaceAll(/-[0-9a-f]{12}/g, '-HASH')).toBe(
    `${JSON.stringify(['configure', '--cmake-path', join(brought.folder, BROUGHT), '--x'])}\n${needs}.\n`,
  );
  const none = build({ cmake: sayVersion('3.25.1'), 'c++': 'exit 1', 'xcode-select': 'exit 2' }, 3);
  const command = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install cmake g++';
  expect(none.stderr).toContain(`${needs}: ${command}\n`);
});

/** Whether dropStaleCache leaves a cache with this generator and program, where there is a Ninja or none. */
function keepsCache(generator: string, program: string, ninja: boolean): boolean {
  const folder = newFolder();
  mkdirSync(join(folder, 'build'));
  const cache = join(folder, 'build', 'CMakeCache.txt');
  const lines = [`CMAKE_GENERATOR:INTERNAL=${generator}`, `CMAKE_MAKE_PROGRAM:FILEPATH=${program}`];
  writeFileSync(cache, [...lines, `CMAKE_COMMAND:INTERNAL=${process.execPath}`, ''].join('\n'));
  const { status, stderr } = ask(ninja ? { ninja: '' } : {}, "dropStaleCache('build');", folder);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return existsSync(cache);
}

test('a cache for another generator, or for programs that are gone, is made anew', () => {
  const here = process.execPath;
  expect(keepsCache('Ninja', here, true)).toBe(true);
  expect(keepsCache('Unix Makefiles', here, false)).toBe(true);
  expect(keepsCache('Ninja', here, false)).toBe(false);
  expect(keepsCache('Unix Makefiles', here, true)).toBe(false);
  expect(keepsCache('Ninja', join(here, 'gone'), true)).toBe(false);
});

test('the oldest CMake is the one that CMakeLists.txt names', () => {
  const [, major, minor] = /VERSION (\d+)\.(\d+)/.exec(readFileSync(join(ROOT, 'CMakeLists.txt'), 'utf8')) ?? [];
  const script = readFileSync(join(ROOT, 'scripts', 'lib', 'cmake.mjs'), 'utf8');
  expect(script).toContain(`const OLDEST = [${major}, ${minor}];`);
  expect(script.match(/CMake \d+\.\d+/g)?.every((text) => text === `CMake ${major}.${minor}`)).toBe(true);
});
