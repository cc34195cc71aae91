// The ways to test one binary. Each gives { ran, tests, failed, seconds, passed, reason? }, and keeps what was printed.
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pythonPackages } from '../../lib/python-packages.mjs';
import { root } from '../../lib/run.mjs';
import { folder, npmPackage } from './downloads.mjs';

const require = createRequire(import.meta.url);
const MINUTES = 60_000;

/** A folder that holds this binary, and `beside` it another that the loader must not take: for METAL_SGD_PREBUILD. */
function alone({ name, file, beside }) {
  const place = join(folder, 'alone', name);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(dirname(join(place, file)), { recursive: true });
  for (const one of [file, beside].filter(Boolean)) copyFileSync(join(root, one), join(place, one));
  return place;
}

/** Runs a command to its end, with what it prints in a file: Windows' programs can't write to a pipe of wine's. */
function run(title, command, { env = {}, minutes = 30 } = {}) {
  const log = join(folder, 'logs', `${title.replaceAll(/[^\w.-]+/g, '-')}.log`);
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'w');
  const start = Date.now();
  const { status, signal, error } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    timeout: minutes * MINUTES,
    killSignal: 'SIGKILL',
  });
  closeSync(output);
  const text = readFileSync(log, 'utf8');
  const ending = error?.code === 'ETIMEDOUT' ? `no end after ${minutes} minutes` : String(error ?? status ?? signal);
  return { status, ending, text, log, seconds: (Date.now() - start) / 1000 };
}

const tail = (text) => text.trimEnd().split('\n').slice(-40).join('\n');

/** A result, and on failure the end of what was printed. */
function judged({ ran, tests, failed, seconds, text, log }, wrong) {
  const passed = wrong === '' && failed === 0 && tests > 0;
  if (!passed)
    console.error(`${tail(text)}\nmetal-sgd: ${ran}: ${wrong || `${failed} failed`}; all of it is in ${log}`);
  return { ran, tests, failed, seconds, passed, reason: wrong };
}

/** What the tests must know of the binary: where it is, and which instructions it has to find. */
const binaryEnvironment = (prebuild, { file }, sets) => ({
  METAL_SGD_PREBUILD: prebuild,
  METAL_SGD_BINARY: join(prebuild, file),
  METAL_SGD_INSTRUCTION_SETS: sets.join(','),
  METAL_SGD_DEVICE: '',
});

/** Jest's own native part, for another platform than this machine's: `name` is its package. */
export function resolverFor(name) {
  const { version } = require('unrs-resolver/package.json');
  const binding = npmPackage(`@unrs/resolver-binding-${name}`, version);
  return join(binding, require(join(binding, 'package.json')).main);
}

/** These binaries bring their own `operator new`, before which no library can stand. */
const EVERYWHERE_WITHOUT = ['/node_modules/', '/behaviour/want\\.test'];

/**
 * test/values and test/behaviour with Jest, run by `node`. For another platform's Node, `resolver` is `resolverFor` it.
 * `without` has the files and the tests, by their names' beginnings, that can't be run there.
 */
export function jest(target, title, node, sets, { resolver, without = {} } = {}) {
  const { files = [], tests = [] } = without;
  const results = join(folder, 'logs', `${target.name}-jest.json`);
  rmSync(results, { force: true });
  const options = ['--runInBand', '--config', join('test', 'platforms', 'jest.config.cjs')];
  options.push('--testPathIgnorePatterns', ...EVERYWHERE_WITHOUT, ...files);
  if (tests.length > 0) options.push('--testNamePattern', `^(?!${tests.join('|')})`);
  const env = { ...binaryEnvironment(alone(target), target, sets), METAL_SGD_NODE: node };
  if (resolver !== undefined) env.NAPI_RS_NATIVE_LIBRARY_PATH = resolver;
  const command = [node, '--expose-gc', require.resolve('jest/bin/jest'), ...options];
  const ended = run(`${target.name} ${title}`, [...command, '--json', '--outputFile', results], { env, minutes: 60 });
  const ran = `Jest: test/values, test/behaviour; ${title}`;
  if (!existsSync(results)) return judged({ ...ended, ran, tests: 0, failed: 0 }, `no results: ${ended.ending}`);
  const found = JSON.parse(readFileSync(results, 'utf8'));
  const all = found.numTotalTests - tests.length;
  // One that was skipped unasked counts as failed.
  const failed = all - found.numPassedTests + found.numRuntimeErrorTestSuites;
  const wrong = ended.status === 0 ? '' : `it ended with ${ended.ending}`;
  return judged({ ...ended, ran, tests: all, failed }, wrong);
}

/** test/platforms/smoke.cjs: its checks, and two ends of a process with a step in flight. `env` is for the platform. */
export function smoke(target, title, node, sets, { pathOf = (path) => path, env = {} } = {}) {
  const script = pathOf(join(root, 'test', 'platforms', 'smoke.cjs'));
  const prebuild = alone(target);
  const environment = { ...binaryEnvironment(prebuild, target, sets), ...env };
  for (const name of ['METAL_SGD_PREBUILD', 'METAL_SGD_BINARY']) environment[name] = pathOf(environment[name]);
  const runMode = (mode) => run(`${target.name} ${title} ${mode}`, [...node, script, mode], { env: environment });
  const check = runMode('check');
  const [line] = check.text.match(/^\{"passed":\d+,"failed":\d+\}\r?$/m) ?? [];
  const { passed, failed } = line ? JSON.parse(line) : { passed: 0, failed: 0 };
  const exit = runMode('exit');
  const leave = runMode('leave');
  const wrong = [
    line === undefined && `no result; ended with ${check.ending}`,
    check.status !== 0 && `the checks ended with ${check.ending}`,
    exit.status !== 7 && `process.exit(7) with a step in flight ended with ${exit.ending}: ${exit.text}`,
    (leave.status !== 0 || !leave.text.includes('settled')) && `Node left a step in flight: ${leave.ending}`,
  ].filter(Boolean);
  const seconds = check.seconds + exit.seconds + leave.seconds;
  const counts = { tests: passed + failed + 2, failed, seconds };
  return judged({ ...check, ran: `smoke set; ${title}`, ...counts }, wrong.join('; '));
}

/** test/platforms/darwin: the whole file in an emulated processor, over stand-ins for all that it imports. */
export function emulated(target) {
  const packages = pythonPackages(join(root, 'scripts', 'test', 'platforms', 'emulator', 'requirements.txt'));
  const env = {
    PYTHONPATH: packages,
    PYTHONDONTWRITEBYTECODE: '1',
    METAL_SGD_ADDON: join(alone(target), target.file),
    METAL_SGD_ARCHITECTURE: target.arch,
  };
  const command = ['python3', '-m', 'unittest', 'discover', '-s', join('test', 'platforms', 'darwin')];
  const ended = run(target.name, command, { env });
  const tests = Number(/^Ran (\d+) tests? in/m.exec(ended.text)?.[1] ?? 0);
  const failed = [...ended.text.matchAll(/\b(?:failures|errors|skipped)=(\d+)/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
  const ran = 'golden values and Metal calls; unicorn, fake Node-API and Metal';
  return judged({ ...ended, ran, tests, failed }, ended.status === 0 ? '' : `it ended with ${ended.ending}`);
}
