// npm run verify: on a Mac, checks all that Linux can't, and writes verify-report.md (docs/on-a-mac.md tells more).
//   --quick: no build, no suite, small sizes    --simulator: on Linux, over the simulator    --report FILE
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSim, simFolder } from '../build/sim.mjs';
import { root } from '../lib/run.mjs';
import { ask, run, stopOnSignals } from './processes.mjs';
import { PROBES, questions, SUITE_ON_GPU, ways } from './questions.mjs';
import { verdictOf, writeReport } from './report.mjs';
import { complaintsIn, stepOfAnswer, stepOfRun } from './steps.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    simulator: { type: 'boolean', default: false },
    report: { type: 'string', default: 'verify-report.md' },
  },
});
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const onMac = process.platform === 'darwin';
const report = resolve(root, options.report);
const VALIDATION = { MTL_DEBUG_LAYER: '1', MTL_SHADER_VALIDATION: '1', MTL_SHADER_VALIDATION_REPORT_TO_STDERR: '1' };
// With a GPU elsewhere than on a Mac, it is the simulator's; reporting each load and store would take it minutes.
const TIMING = onMac ? {} : { METAL_SIM: '{"trace":false}' };
const SIZES = {
  whole: { sizes: [2 ** 24, 2 ** 26], steps: 20, smallSteps: 1000, most: 2 ** 25 },
  quick: { sizes: [2 ** 20, 2 ** 24], steps: 10, smallSteps: 200, most: 2 ** 24 },
  simulator: { sizes: [2 ** 14, 2 ** 16], steps: 3, smallSteps: 20, most: 2 ** 17 },
};
/** Seconds after which a step has hung. */
const PATIENCE = { build: 1800, suite: 3600, probe: 300 };

const found = { machine: {}, simulated: !onMac, quick: options.quick, steps: [], complaints: [], answers: {} };
const say = (text) => console.log(`verify: ${text}`);

async function firstLine(command, ...args) {
  const { stdout } = await run(command, args, { seconds: 60 });
  return stdout.split('\n')[0];
}

async function describeMachine() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  found.chip = cpus()[0]?.model ?? 'unknown';
  found.machine = {
    chip: `${found.chip}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.arch}`,
    system: onMac ? `macOS ${await firstLine('sw_vers', '-productVersion')}` : `${process.platform} ${release()}`,
    node: process.version,
    compiler: (await firstLine('c++', '--version')) || 'none',
    cmake: (await firstLine('cmake', '--version')) || 'none on the PATH',
    'metal-sgd': `${version}, ${(await firstLine('git', 'describe', '--always', '--dirty')) || 'no git'}`,
  };
}

function add(step) {
  found.steps.push(step);
  return step.outcome === 'passed';
}

/** Runs a command in sight of the user. */
async function runStep(name, seconds, ...[command, ...args]) {
  say(name);
  const environment = { ...process.env };
  delete environment.METAL_SGD_PREBUILD; // the suite knows which builds it tests
  return add(stepOfRun(name, await run(command, args, { environment, seconds, echo: true })));
}

/** Builds, then runs the suite, on a Mac on the GPU with validation, as scripts/test/test.mjs does. */
async function buildAndTest() {
  if (!(await runStep('the build', PATIENCE.build, 'npm', 'run', 'build'))) return;
  for (const [name, device] of [
    ['the tests on the CPU', 'cpu'],
    [SUITE_ON_GPU, 'gpu'],
  ]) {
    await runStep(name, PATIENCE.suite, process.execPath, 'scripts/test/test.mjs', '--on', device);
  }
}

/** Asks a child under Metal's validation. */
async function probe(given, environment = {}) {
  const answer = await ask(PROBES, given, {
    environment: { ...process.env, ...VALIDATION, ...environment },
    seconds: PATIENCE.probe,
  });
  found.complaints.push(...complaintsIn(answer.stderr));
  return answer;
}

/** True if the GPU proves itself. */
async function checkGpu() {
  say('the GPU');
  const named = await probe({ probe: 'gpu' });
  if (!add(stepOfAnswer('finding a GPU', named, ({ missing }) => missing))) return false;
  found.machine.gpu = named.result.name;
  found.selfTests = {};
  for (const dtype of ['float32', 'float16', 'bfloat16']) {
    const answer = await probe({ probe: 'selfTest', dtype });
    found.selfTests[dtype] = answer.result;
    add(stepOfAnswer(`the self-test of ${dtype}`, answer, ({ message }) => message));
  }
  if (!found.selfTests.float32?.passed) return false;
  const differing = ({ differences }) => differences && `${differences} values differ`;
  add(stepOfAnswer('ten steps with the same bits on CPU and GPU', await probe({ probe: 'sameBits' }), differing));
  const lost = ({ thrown }) => (thrown ? '' : 'it was not');
  add(stepOfAnswer('an error inside the addon is thrown', await probe({ probe: 'throws' }), lost));
  return true;
}

/** Asks each question in a child of its own. */
async function askQuestions(gpuWorks) {
  say('the open questions');
  if (gpuWorks) add(stepOfRun('the build of the benchmark', await run(process.execPath, [tsc, '-p', 'bench'])));
  const sizes = SIZES[found.simulated ? 'simulator' : found.quick ? 'quick' : 'whole'];
  for (const { id } of questions.filter(({ id }) => ways[id].script)) {
    found.answers[id] = await askOne(ways[id], sizes, gpuWorks);
  }
}

async function askOne({ script, options, onCpu, onMac: macOnly, validated }, sizes, gpuWorks) {
  if (!gpuWorks && !onCpu) return { failure: 'no GPU that computes as the CPU does' };
  if (macOnly && !onMac) return { failure: 'only a Mac can tell' };
  if (validated) return probe(options(sizes));
  return ask(script, options(sizes), { environment: { ...process.env, ...TIMING }, seconds: PATIENCE.probe });
}

/** The addon that was made on Linux for this Mac, if it was copied here. */
async function tryCrossBuilt() {
  const made = join(root, 'build-darwin', `darwin-${process.arch}`, 'metal-sgd.node');
  if (!onMac || !existsSync(made)) return;
  say('the addon that was made on Linux');
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
  mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
  copyFileSync(made, join(folder, 'build', 'Release', 'metal-sgd.node'));
  const faults = { sameBits: ({ differences }) => differences, throws: ({ thrown }) => !thrown };
  const wrong = [];
  for (const [name, fault] of Object.entries(faults)) {
    const { result, failure } = await probe({ probe: name }, { METAL_SGD_PREBUILD: folder });
    if (failure || fault(result)) wrong.push(`${name}: ${failure ?? JSON.stringify(result)}`);
  }
  rmSync(folder, { recursive: true });
  found.crossBuilt = wrong.length > 0 ? `No: ${wrong.join('; ')}` : 'Yes.';
  const outcome = wrong.length > 0 ? 'failed' : 'passed';
  add({ name: 'the addon made on Linux', outcome, list: wrong });
}

async function verify() {
  await describeMachine();
  if (!options.quick) await buildAndTest();
  await askQuestions(await checkGpu());
  await tryCrossBuilt();
  const silent = found.complaints.length === 0;
  add({ name: "no complaint of Metal's validation", outcome: silent ? 'passed' : 'failed', list: found.complaints });
}

stopOnSignals();
rmSync(report, { force: true }); // nobody sends an old one
if (options.simulator) {
  say('building the simulator');
  buildSim();
  process.env.METAL_SGD_PREBUILD = simFolder;
}
delete process.env.METAL_SGD_DEVICE; // it would decide where `auto` runs
await verify().catch((error) =>
  add({ name: 'this script', outcome: 'incomplete', note: `ended with ${error.message}` }),
);
writeReport(report, found);
const verdict = verdictOf(found);
say(`${verdict}\nverify: please send ${report}`);
process.exit(verdict.startsWith('PASS') ? 0 : 1);
