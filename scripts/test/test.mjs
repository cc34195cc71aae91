// Runs the tests: types, then Jest on the CPU, then everything again on a GPU - Apple's on a Mac, the simulated one on
// Linux. `--long` runs test/long on the CPU instead; `--cpu` what needs neither a GPU nor a simulator, for Windows, musl,
// arm64 Linux and Macs with Intel processors. `--on cpu` and `--on gpu` run one half. `--as-mac` runs the half on the
// simulated GPU, which then treats float32 subnormals in the ways that a Mac's may. Other arguments go to Jest.
import { createRequire } from 'node:module';
import { buildSim, simFolder } from '../build/sim.mjs';
import { pythonPrefix } from '../lib/python-packages.mjs';
import { runQuietly, runVisibly } from '../lib/run.mjs';

const require = createRequire(import.meta.url);
const long = process.argv.includes('--long');
const cpuOnly = process.argv.includes('--cpu');
const asMac = process.argv.includes('--as-mac');
const half = process.argv.includes('--on') ? process.argv[process.argv.indexOf('--on') + 1] : asMac ? 'gpu' : undefined;
const own = ['--long', '--cpu', '--as-mac', '--on', half];
const jestArguments = process.argv.slice(2).filter((argument) => !own.includes(argument));
/** What runs on every device. */
const DEVICE_TESTS = 'behaviour/|values/|checkpoint/';
/** Of those, what no GPU changes: CI leaves it to the CPU, and `--as-mac` repeats it all the same. */
const WITHOUT_GPU =
  'behaviour/(addon-lists|caller|environment|errors-|hostile|huge-pages|loader|misuse|readme|reference|tree|want)|' +
  'values/(tensorflow|threads)';

const run = (environment, ...command) => runVisibly(process.execPath, command, environment);

function jest(title, environment, paths) {
  console.log(`\n== ${title}`);
  // By default Jest leaves a core alone, of two that we may have.
  const workers = jestArguments.some((one) => /^(-i|-w|--runInBand|--maxWorkers)/.test(one))
    ? []
    : ['--maxWorkers=100%'];
  const options = [...workers, '--testPathPatterns', paths, ...jestArguments];
  run(environment, '--expose-gc', require.resolve('jest/bin/jest'), ...options);
}

/** The environment in which the package steps on a GPU. */
function gpuEnvironment() {
  // With validation on, a Mac is nearly as strict as the simulator.
  if (process.platform === 'darwin') {
    return { METAL_SGD_DEVICE: 'gpu', MTL_DEBUG_LAYER: '1', MTL_SHADER_VALIDATION: '1' };
  }
  // As with validation on a Mac, Metal writes lines of its own to standard error.
  const METAL_SIM = JSON.stringify({
    metalsOwnLines: true,
    ...(asMac && { positiveZero: true, flushBeforeRounding: true }),
  });
  return { METAL_SGD_DEVICE: 'gpu', METAL_SGD_PREBUILD: simFolder, METAL_SIM };
}

/** Where Open MPI 5 and MPICH 5 lie, of which Debian has version 4. */
function newestMpi() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return {};
  const prefixes = ['openmpi', 'mpich'].map((name) => [
    name,
    pythonPrefix(`scripts/test/mpi/${name}/requirements.txt`),
  ]);
  return { METAL_SGD_MPI_PREFIXES: JSON.stringify(Object.fromEntries(prefixes)) };
}

// First of all, so that no test waits for it or builds it beside another.
if (process.platform !== 'darwin' && !cpuOnly) {
  buildSim();
  runQuietly('sh', ['scripts/lib/install.sh', 'openmpi-bin', 'mpich']); // both lie side by side
}

const tsc = require.resolve('typescript/bin/tsc');
if (half !== 'gpu') {
  run({}, tsc, '-p', 'test');
  run({}, tsc, '-p', 'test/types');
}
if (long) {
  jest('long tests, on the CPU', newestMpi(), '/test/long/');
} else if (cpuOnly) {
  jest('on the CPU alone', {}, `/test/(${DEVICE_TESTS})`);
} else {
  if (half !== 'gpu') jest('on the CPU', {}, '/test/(?!long/|interop/|package/|platforms/|metal/)');
  const simulator = process.platform === 'darwin' ? '' : '|/test/metal/|/tools/metal-sim/';
  // Such a GPU is not for 'auto'.
  if (asMac) jestArguments.push('--testNamePattern', "^(?!device 'auto' )");
  const everything = asMac || process.platform === 'darwin';
  const repeated = everything ? DEVICE_TESTS : `(?!${WITHOUT_GPU})(behaviour|values)/`;
  if (half !== 'cpu') jest('on the GPU', gpuEnvironment(), `/test/(${repeated})${simulator}`);
}
