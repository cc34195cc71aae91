// npm run mutants [-- NAME... | --since COMMIT | --check]: does every bug in test/mutants make a test fail?
// Each bug is put into a copy of the repository, where the test file that `caughtBy` names must fail, having passed before.
// A bug that is not caught, whose text is no longer found, or that does not build makes the command fail. The simulated GPU
// hunts the bugs that a test in test/metal catches. `--since` takes those whose source, test or own text has changed since
// a commit. `--check` only looks for their texts.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../lib/run.mjs';
import { allMutants, changedSince, mutated, problemsOf } from './mutants/data.mjs';

const require = createRequire(import.meta.url);
const jest = require.resolve('jest/bin/jest');
const tsc = require.resolve('typescript/bin/tsc');
/** A mutant of the thread pool may well wait for ever. */
const TIMEOUT = 10 * 60_000;

const copy = mkdtempSync(join(tmpdir(), 'metal-sgd-mutants-'));
/** Where mutants are hunted: the files a build is stale for, how to build it, and how tests find it. */
const CPU = {
  stale: ['native/', 'lib/'],
  build: ['scripts/build/native.mjs'],
  environment: {},
};
const GPU = {
  stale: ['native/', 'lib/'],
  build: ['-e', "import('./scripts/build/sim.mjs').then(({ buildSim }) => buildSim())"],
  environment: { METAL_SGD_DEVICE: 'gpu', METAL_SGD_PREBUILD: join(copy, 'build-sim') },
};

let running;

function end(code) {
  running?.kill('SIGKILL');
  rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
  process.exit(code);
}
process.on('SIGINT', () => end(130));
process.on('SIGTERM', () => end(143));

function progress(text) {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}

/** Runs a command in the copy; `signal` is set if it was killed. Neither the machine's nor CI's settings reach it. */
function run(environment, command, ...args) {
  const env = { ...process.env };
  for (const name of ['CI', 'METAL_SGD_DEVICE', 'METAL_SGD_THREADS', 'METAL_SGD_PREBUILD']) delete env[name];
  Object.assign(env, environment);
  return new Promise((resolve, reject) => {
    running = spawn(command, args, { cwd: copy, env, timeout: TIMEOUT, killSignal: 'SIGKILL' });
    let output = '';
    for (const stream of [running.stdout, running.stderr]) stream.on('data', (chunk) => (output += chunk));
    running.on('error', reject);
    running.on('close', (status, signal) => resolve({ status, signal, output }));
  });
}

async function need(what, command, ...args) {
  const { status, output } = await run({}, command, ...args);
  if (status !== 0) throw new Error(`${what}\n${output}`);
  return output;
}

/** Copies what git doesn't ignore, as it is now; installed packages are shared. */
function copyRepository() {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  }).split('\0');
  for (const file of files.filter((name) => name && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  execFileSync('git', ['init', '--quiet', copy]); // some tests ask git for its files
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
}

const isNative = (file) => /^(native|binding|cmake)\/|^CMakeLists/.test(file);

/** Brings the builds for a device up to date. */
async function build({ stale, build }) {
  if (stale.some(isNative)) await need('does not build', process.execPath, ...build);
  if (stale.some((file) => file.startsWith('lib/'))) {
    await need('does not compile', process.execPath, tsc, '-p', '.');
    await need('does not bundle', process.execPath, 'scripts/build/bundle.mjs');
  }
  stale.length = 0;
}

/** Runs Jest; the first test that failed, or undefined if all passed. */
async function firstFailure({ environment }, pattern) {
  const flags = ['--bail', '--testPathPatterns', pattern];
  const { status, signal, output } = await run(environment, process.execPath, '--expose-gc', jest, ...flags);
  if (status === 0) return undefined;
  // From Jest's text: with --bail it often ends before it has written its --json.
  const file = /^FAIL (\S+)/m.exec(output)?.[1] ?? pattern;
  const test = /^ {2}● (.+)$/m.exec(output)?.[1] ?? (signal ? `ended by ${signal}` : output.slice(-300));
  return `${file}: ${test}`;
}

/** The mutants that the command asks for. */
async function choose(all, names, since) {
  const unknown = names.filter((name) => !all.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(', ')}`);
  const chosen = since === undefined ? all : await changedSince(since, all);
  return names.length === 0 ? chosen : chosen.filter(({ name }) => names.includes(name));
}

const deviceOf = ({ caughtBy }) => (caughtBy.startsWith('test/metal/') ? GPU : CPU);

/** What catches the mutant, after which the copy is as before but for its builds; undefined if nothing does. */
async function hunt(mutant) {
  const { file, caughtBy } = mutant;
  const path = join(copy, file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(text, mutant));
  const on = deviceOf(mutant);
  try {
    on.stale.push(file);
    await build(on);
    return await firstFailure(on, caughtBy);
  } finally {
    for (const { stale } of [CPU, GPU]) stale.push(file);
    writeFileSync(path, text);
  }
}

/** Hunts one mutant and prints its line; true if it was caught. */
async function report(mutant, width) {
  const start = performance.now();
  const [caught, text] = await hunt(mutant).then(
    (killer) => [killer !== undefined, killer ?? 'NOT CAUGHT'],
    (error) => [false, `ERROR: ${error.message}`],
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6);
  progress('');
  console.log(`${mutant.name.padEnd(width)} ${seconds} s  ${text}`);
  return caught;
}

/** Builds the copy and makes sure that without a mutant the tests pass. Returns the processor's instruction sets. */
async function prepare(mutants) {
  copyRepository();
  for (const on of new Set([CPU, ...mutants.map(deviceOf)])) {
    await build(on);
    const tests = new Set(mutants.filter((mutant) => deviceOf(mutant) === on).map(({ caughtBy }) => caughtBy));
    const failure = tests.size > 0 && (await firstFailure(on, `/(${[...tests].join('|')})$`));
    if (failure) throw new Error(`fails without any mutant: ${failure}`);
  }
  const ask = "JSON.stringify(require('./dist/addon/native.js').native().machine().instructionSets)";
  return JSON.parse(await need('does not run', process.execPath, '-p', ask));
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { since: { type: 'string' }, check: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const all = await allMutants();
  const problems = problemsOf(all);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) throw new Error(`${problems.length} of ${all.length} mutants do not fit the code`);
  console.log(`${all.length} mutants fit the code`);
  if (values.check) return 0;
  const simulator = process.platform === 'linux';
  const asked = (await choose(all, positionals, values.since)).filter((one) => deviceOf(one) === CPU || simulator);
  if (asked.length === 0) return 0;
  progress('building, and running the tests without a mutant');
  const instructionSets = await prepare(asked);
  const mutants = asked.filter(({ needs }) => !needs || instructionSets.includes(needs));
  const width = Math.max(...mutants.map(({ name }) => name.length));
  let caught = 0;
  for (const [i, mutant] of mutants.entries()) {
    progress(`${i + 1}/${mutants.length} ${mutant.name}`);
    if (await report(mutant, width)) caught++;
  }
  for (const { name, needs } of asked.filter((mutant) => !mutants.includes(mutant))) {
    console.log(`${name.padEnd(width)} not run: this processor lacks ${needs}`);
  }
  if (!simulator) console.log('mutants of the Metal backend not run: the simulator needs Linux');
  console.log(`${caught} of ${mutants.length} mutants caught`);
  return caught === mutants.length ? 0 : 1;
}

main().then(end, (error) => {
  console.error(`\nmutants: ${error.message}`);
  end(1);
});
