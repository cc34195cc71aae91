// npm run verify: on a Mac, checks all that Linux can't, and writes verify-report.md (docs/on-a-mac.md tells more).
//   --quick: no build, no suite, small sizes    --simulator: on Linux, over the simulator    --report FILE
//   --goal: fails below 80 % of the memory's peak
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSim, simFolder } from '../build/sim.mjs';
import { root, runQuietly } from '../lib/run.mjs';
import { measure } from './child.mjs';
import { GOAL, shareOfPeak } from './questions.mjs';
import { reportOf } from './report.mjs';
import { measureSpeed } from './timing.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    simulator: { type: 'boolean', default: false },
    goal: { type: 'boolean', default: false },
    report: { type: 'string', default: 'verify-report.md' },
  },
});
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const onMac = process.platform === 'darwin';
const VALIDATION = { MTL_DEBUG_LAYER: '1', MTL_SHADER_VALIDATION: '1', MTL_SHADER_VALIDATION_REPORT_TO_STDERR: '1' };
// With a GPU elsewhere than on a Mac, it is the simulator's; reporting each load and store would take it minutes.
const SIMULATOR_TIMING = onMac ? {} : { METAL_SIM: '{"trace":false}' };
const SIZES = {
  whole: { sizes: [2 ** 24, 2 ** 26], steps: 20, smallSteps: 1000, most: 2 ** 25 },
  quick: { sizes: [2 ** 20, 2 ** 24], steps: 10, smallSteps: 200, most: 2 ** 24 },
  simulator: { sizes: [2 ** 14, 2 ** 16], steps: 3, smallSteps: 20, most: 2 ** 17 },
};

const say = (text) => console.log(`verify: ${text}`);
const firstLine = (command, ...args) =>
  spawnSync(command, args, { cwd: root, encoding: 'utf8' }).stdout?.split('\n')[0];

function describeMachine() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    chip: cpus()[0]?.model ?? 'unknown',
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: onMac ? `macOS ${firstLine('sw_vers', '-productVersion')}` : `${process.platform} ${release()}`,
    architecture: process.arch,
    node: process.version,
    compiler: firstLine('c++', '--version') ?? 'none',
    cmake: firstLine('cmake', '--version') ?? 'none on the PATH',
    'metal-sgd': `${version}, ${firstLine('git', 'describe', '--always', '--dirty') || 'no git'}`,
  };
}

/** Runs a command of npm's in sight of the user. */
function runs(name, environment, ...command) {
  say(name);
  const { status } = spawnSync(command[0], command.slice(1), { cwd: root, stdio: 'inherit', env: environment });
  return { name, passed: status === 0 };
}

/** What Metal's validation layers complained of. Other parts of the system write lines of their own. */
function complaintsIn(stderr) {
  const complaint = /validation|failed assertion|invalid device (load|store)/i;
  return stderr.split('\n').filter((line) => complaint.test(line) && !/validation enabled/i.test(line));
}

/** The addon that was made on Linux for this Mac, if it was copied here: tried like the native one. */
function tryCrossBuilt() {
  const made = join(root, 'build-darwin', `darwin-${process.arch}`, 'metal-sgd.node');
  if (!onMac || !existsSync(made)) return undefined;
  say('the addon that was made on Linux');
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
  mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
  copyFileSync(made, join(folder, 'build', 'Release', 'metal-sgd.node'));
  const { result, failure } = measure('correctness.mjs', {}, { ...VALIDATION, METAL_SGD_PREBUILD: folder });
  rmSync(folder, { recursive: true });
  if (failure) return { failure };
  const works = result.throws && result.differences === 0 && result.selfTests?.every(({ passed }) => passed);
  return works ? {} : { failure: JSON.stringify(result) };
}

function correctnessChecks({ result, failure }) {
  if (failure) return [{ name: 'steps on the GPU', passed: false, note: failure }];
  if (result.whyNoGpu !== undefined) return [{ name: 'a GPU', passed: false, note: result.whyNoGpu }];
  return [
    { name: 'a GPU', passed: true, note: result.devices[0].name },
    { name: 'self-test', passed: result.selfTests.every(({ passed }) => passed) },
    { name: 'ten steps with the same bits on CPU and GPU', passed: result.differences === 0 },
    { name: 'an error inside the addon is thrown', passed: result.throws },
  ];
}

function bandwidthCheck(found) {
  const share = shareOfPeak(found);
  const name = `${GOAL.share * 100} % of the memory's peak`;
  if (!onMac || share === undefined)
    return { name, passed: undefined, note: 'the peak is not known, or sizes are small' };
  const reached = `${(share * 100).toFixed(0)} %`;
  if (!options.goal) return { name, passed: undefined, note: `${reached}; only --goal demands it` };
  return { name, passed: share >= GOAL.share, note: reached };
}

/** Builds, then runs the suite, on a Mac on the GPU with validation, as scripts/test/test.mjs does. */
function buildAndTest(found) {
  const environment = { ...process.env };
  delete environment.METAL_SGD_PREBUILD; // the suite knows which builds it tests
  found.checks.push(runs('build', environment, 'npm', 'run', 'build'));
  if (!found.checks[0].passed) return;
  found.suite = runs('the test suite', environment, process.execPath, 'scripts/test/test.mjs');
  found.checks.push(found.suite);
}

function measureAll(found) {
  say('self-tests');
  const correctness = measure('correctness.mjs', {}, VALIDATION);
  found.checks.push(...correctnessChecks(correctness));
  found.correctness = correctness.result;
  found.complaints = complaintsIn(correctness.stderr);
  const note = found.complaints.join('; ');
  found.checks.push({ name: "no complaint of Metal's validation", passed: note === '', note });
  if (correctness.result?.selfTests?.[0].passed !== true) return;
  say('speed');
  runQuietly(process.execPath, [tsc, '-p', 'bench']);
  const sizes = SIZES[found.simulated ? 'simulator' : found.quick ? 'quick' : 'whole'];
  const { result, failure } = measureSpeed(sizes, SIMULATOR_TIMING);
  found.checks.push({ name: 'measuring', passed: result !== undefined, note: failure });
  found.timing = result;
  found.checks.push(bandwidthCheck(found));
}

if (options.simulator) {
  say('building the simulator');
  buildSim();
  process.env.METAL_SGD_PREBUILD = simFolder;
}
const machine = describeMachine();
const found = { machine, chip: machine.chip, simulated: !onMac, quick: options.quick, checks: [], complaints: [] };
if (!options.quick) buildAndTest(found);
measureAll(found);
found.crossBuilt = tryCrossBuilt();
if (found.crossBuilt) found.checks.push({ name: 'the addon made on Linux', passed: !found.crossBuilt.failure });
const report = resolve(root, options.report);
writeFileSync(report, reportOf(found));
const failed = found.checks.filter(({ passed }) => passed === false);
for (const { name, note = '' } of failed) console.error(`verify: FAILED: ${name} ${note}`);
say(`${failed.length === 0 ? 'no check failed' : `${failed.length} failed`}; the report is ${report}`);
process.exit(failed.length === 0 ? 0 : 1);
