// npm run mutants [-- NAME...]: does every bug in test/mutants make a test fail?
// Each patch is applied to a copy of the repository, where the test file that its header names ("# caught by: FILE") must
// fail, having passed before. A mutant that isn't caught so, a patch that doesn't apply and one that doesn't build make
// the command fail. A patch that a test in test/metal catches is hunted on the simulated GPU.
// "# needs: INSTRUCTION SET" marks a patch of code that other processors never run.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
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
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
}

const isNative = (file) => /^(native|binding)\/|^CMakeLists/.test(file);

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

/** The patches to run, each with the test file that should catch it. */
function readPatches(names) {
  const folder = join(root, 'test', 'mutants');
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.patch'))
    .sort();
  const unknown = names.filter((name) => !all.includes(`${name}.patch`));
  if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(', ')}`);
  return all
    .filter((file) => names.length === 0 || names.includes(basename(file, '.patch')))
    .map((file) => {
      const path = join(folder, file);
      const header = (key) => new RegExp(`^# ${key}: (\\S+)$`, 'm').exec(readFileSync(path, 'utf8'))?.[1];
      const expected = header('caught by');
      if (!expected || !existsSync(join(root, expected))) throw new Error(`${file}: no "# caught by: TEST FILE"`);
      return {
        name: basename(file, '.patch'),
        path,
        expected,
        needs: header('needs'),
        on: expected.startsWith('test/metal/') ? GPU : CPU,
      };
    });
}

/** What catches the mutant, after which the copy is as before but for its builds; undefined if nothing does. */
async function hunt({ path, expected, on }) {
  const listed = await need('does not apply', 'git', 'apply', '--numstat', path);
  const files = listed
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[2]);
  await need('does not apply', 'git', 'apply', path);
  try {
    on.stale.push(...files);
    await build(on);
    return await firstFailure(on, expected);
  } finally {
    for (const { stale } of [CPU, GPU]) stale.push(...files);
    await need('does not revert', 'git', 'apply', '-R', path);
  }
}

/** Hunts one mutant and prints its line; true if it was caught. */
async function report({ name, ...patch }, width) {
  const start = performance.now();
  const [caught, text] = await hunt(patch).then(
    (killer) => [killer !== undefined, killer ?? 'NOT CAUGHT'],
    (error) => [false, `ERROR: ${error.message}`],
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6);
  progress('');
  console.log(`${name.padEnd(width)} ${seconds} s  ${text}`);
  return caught;
}

/** Builds the copy and makes sure that without a mutant the tests pass. Returns the processor's instruction sets. */
async function prepare(patches) {
  copyRepository();
  for (const on of new Set([CPU, ...patches.map((patch) => patch.on)])) {
    await build(on);
    const files = new Set(patches.filter((patch) => patch.on === on).map(({ expected }) => expected));
    const failure = files.size > 0 && (await firstFailure(on, `/(${[...files].join('|')})$`));
    if (failure) throw new Error(`fails without any mutant: ${failure}`);
  }
  const ask = "JSON.stringify(require('./dist/addon/native.js').native().machine().instructionSets)";
  return JSON.parse(await need('does not run', process.execPath, '-p', ask));
}

async function main() {
  const simulator = process.platform === 'linux';
  const asked = readPatches(process.argv.slice(2)).filter(({ on }) => on === CPU || simulator);
  progress('building, and running the tests without a mutant');
  const instructionSets = await prepare(asked);
  const patches = asked.filter(({ needs }) => !needs || instructionSets.includes(needs));
  const width = Math.max(...patches.map(({ name }) => name.length));
  let caught = 0;
  for (const [i, patch] of patches.entries()) {
    progress(`${i + 1}/${patches.length} ${patch.name}`);
    if (await report(patch, width)) caught++;
  }
  for (const { name, needs } of asked.filter((patch) => !patches.includes(patch))) {
    console.log(`${name.padEnd(width)} not run: this processor lacks ${needs}`);
  }
  if (!simulator) console.log('mutants of the Metal backend not run: the simulator needs Linux');
  console.log(`${caught} of ${patches.length} mutants caught`);
  return caught === patches.length ? 0 : 1;
}

main().then(end, (error) => {
  console.error(`\nmutants: ${error.message}`);
  end(1);
});
