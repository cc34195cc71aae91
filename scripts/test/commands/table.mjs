// Commands that documents name and that neither .ci/run nor npm run test:long has a line for, in the order they run in.

/**
 * `names` is a command as documents write it. One of these says what becomes of it:
 * - `run`: this script runs it, in CI or in the long tests. `as` stands in for it, `makes` is a file it leaves, `prints` a
 *   text it prints.
 * - `doneBy`: a command of CI's or of the long tests, or a test, does the same.
 * - `not`: why no test runs it.
 *
 * @typedef {{ names: string, run?: 'ci' | 'long', as?: string, makes?: string, prints?: string, doneBy?: string,
 *   not?: string }} Row
 */

/** Where the stand-ins leave what they make. */
export const FOLDER = 'build-commands';
/** Made by npm run test:interop, with MLX. */
const PYTHON = '$PWD/node_modules/.cache/metal-sgd-interop/bin/python';

/** @type {Row[]} */
export const TABLE = [
  { names: 'npm ci', doneBy: 'npm ci --no-audit --no-fund' },
  { names: 'npx jest test/values', run: 'ci' },
  { names: 'node examples/digits.mjs', doneBy: 'test/tooling/example-short.test.ts' },
  { names: 'npm start -- --help', run: 'ci', prints: '--master-weights' },
  { names: 'npm start -- --workers 4', run: 'ci', prints: 'test accuracy: ' },
  { names: 'npm start -- --shares 4', run: 'ci', prints: 'test accuracy: ' },
  { names: 'npm run mutants -- --check', run: 'ci', prints: 'mutants fit the code' },
  { names: 'npm run mutants -- --since COMMIT', run: 'ci', as: 'npm run mutants -- --since HEAD' },
  { names: 'npm run docs', run: 'ci', makes: 'docs/api/classes/SGD.html' },
  { names: 'npm run api', run: 'ci' },
  { names: 'npm run format', run: 'ci' },
  { names: 'npm run build:darwin', run: 'long', makes: 'build-darwin/darwin-arm64/metal-sgd.node' },

  { names: 'sh scripts/lib/install.sh', run: 'ci' },
  { names: 'npm run sim -- COMMAND', run: 'ci', as: 'npm run sim -- node -p "1 + 1"', prints: '2' },
  { names: 'METAL_SGD_DEVICE=gpu npm run sim -- npm start', run: 'ci', prints: 'test accuracy: ' },
  { names: 'npm run sim -- npm run verify', doneBy: 'test/tooling/verify.test.ts' },
  { names: 'npm run verify -- --quick', doneBy: 'test/tooling/verify.test.ts' },
  { names: 'npm run verify -- --simulator', run: 'long', makes: 'verify-report.md' },
  { names: 'npm run verify', not: 'it asks a Mac; --simulator runs the same script' },

  // Whole runs take ten minutes, and their results would become the newest.
  {
    names: 'npm run bench',
    run: 'ci',
    as: `npm run bench -- --smoke --json ${FOLDER}/all.json`,
    makes: `${FOLDER}/all.json`,
  },
  {
    names: 'npm run bench -- --json bench/results/all.json',
    doneBy: `npm run bench -- --smoke --json ${FOLDER}/all.json`,
  },
  {
    names: 'npm run sim -- npm run bench -- --parts gpu --json bench/results/calls.json',
    run: 'ci',
    as: `npm run sim -- npm run bench -- --smoke --parts gpu --json ${FOLDER}/calls.json`,
    makes: `${FOLDER}/calls.json`,
  },
  {
    names: 'npm run bench -- --parts gpu',
    doneBy: `npm run sim -- npm run bench -- --smoke --parts gpu --json ${FOLDER}/calls.json`,
  },
  {
    names: 'npm run bench -- --parts frameworks',
    doneBy: `npm run bench -- --smoke --json ${FOLDER}/all.json`,
  },
  {
    names: 'npm run bench -- --parts distributed',
    run: 'long',
    as: `npm run test:interop && METAL_SGD_BENCH_PYTHON="${PYTHON}" npm run bench -- --smoke --parts distributed --peers "MLX default" --json ${FOLDER}/distributed.json`,
    prints: 'average_gradients (ring)',
  },
  {
    names: 'npm run bench:report -- bench/results/all.json bench/results/calls.json',
    run: 'ci',
    as: `npm run bench:report -- ${FOLDER}/all.json ${FOLDER}/calls.json --output ${FOLDER}/docs`,
    makes: `${FOLDER}/docs/benchmarks.md`,
  },
  {
    names: 'npm run bench:report',
    doneBy: `npm run bench:report -- ${FOLDER}/all.json ${FOLDER}/calls.json --output ${FOLDER}/docs`,
  },
  {
    names: 'npm run bench -- --compare old.json',
    run: 'ci',
    as: `npm run bench -- --smoke --models leaf-1000 --compare ${FOLDER}/all.json --json ${FOLDER}/new.json`,
    makes: `${FOLDER}/new.json`,
  },
  {
    names: 'npm run bench -- --peers',
    run: 'long',
    as: `npm run test:interop && METAL_SGD_BENCH_PYTHON="${PYTHON}" npm run bench -- --smoke --models mlp --peers --json ${FOLDER}/peers.json`,
    makes: `${FOLDER}/peers.json`,
    prints: 'MLX compiled ',
  },

  { names: `node -p "require('metal-sgd').devices()"`, run: 'ci', prints: "type: 'cpu'" },
  { names: 'node -p process.arch', run: 'ci', prints: 'x64' },
  { names: 'node -p "process.report.getReport().header"', run: 'ci', prints: 'nodejsVersion' },
  {
    names:
      "node -e \"const { Worker } = require('node:worker_threads'); new Worker('require(\\'.\\').zeros(1)', { eval: true })" +
      ".once('exit', () => console.log(process.report.getReport().sharedObjects.some((file) => " +
      "file.endsWith('metal-sgd.node'))))\"",
    run: 'ci',
    prints: 'true',
  },

  { names: 'npm run prebuildify', run: 'long', makes: 'prebuilds/darwin-arm64/metal-sgd.node' },
  { names: 'node scripts/test/test.mjs --cpu', run: 'long' },
  ...['npm run mutants -- NAME', 'npm run mutants -- NAME ...'].map((names) => {
    return { names, run: 'long', as: 'npm run mutants -- scripts-old-cmake-taken', prints: '1 of 1 mutants caught' };
  }),
  { names: 'npm run test:interop -- --newest', not: 'any day can break it; canary.yml runs it each week' },

  // What a user of the package types.
  { names: 'npm install metal-sgd', doneBy: 'npm run test:package' },
  { names: 'npm install ./metal-sgd-*.tgz ./node-gyp-build-*.tgz', doneBy: 'npm run test:package' },
  { names: 'npm install --no-save cmake-js@8 node-addon-api@8 node-api-headers@1', doneBy: 'npm run test:package' },
  { names: 'npx cmake-js build -d node_modules/metal-sgd', doneBy: 'npm run test:package' },
  { names: 'npm pack metal-sgd node-gyp-build@4.8.4', not: 'it takes a published metal-sgd' },
  { names: 'npm audit signatures', not: 'it asks about a published metal-sgd' },

  // Examples and frameworks; test/long/examples.test.ts installs them as a user does.
  { names: 'npm install', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm start -- --epochs 3', doneBy: 'node scripts/test/test.mjs --long' },
  {
    names: 'npm install metal-sgd @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-cpu',
    doneBy: 'node scripts/test/test.mjs --long',
  },
  { names: 'npm install @tensorflow/tfjs-core@4', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm install metal-sgd @jax-js/jax@0.1.25 webgpu', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm install --prefix examples/jax', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'apt-get install libvulkan1 chromium', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm start -- --backend wasm', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm start -- --hidden 334 --epochs 2', doneBy: 'node scripts/test/test.mjs --long' },
  { names: 'npm start -- --hidden 33500 --epochs 1', doneBy: 'node scripts/test/test.mjs --long' },

  // Releases.
  { names: 'node scripts/release/check-version.mjs v1.2.3', doneBy: 'test/tooling/release.test.ts' },
  { names: 'npm pack', doneBy: 'npm run test:package' },
  { names: 'npm publish --provenance', not: 'it publishes; test/tooling/release.test.ts calls a stand-in' },
  { names: 'npm version --no-git-tag-version 1.2.3', not: "npm's own; it changes the version" },
  {
    names: 'npm pkg set repository.type=git repository.url=git+https://github.com/OWNER/metal-sgd.git',
    not: "npm's own; it changes package.json",
  },
  { names: 'git tag v1.2.3', not: "git's own; it begins a release" },
  { names: 'git push origin v1.2.3', not: "git's own; it begins a release" },
  { names: 'git push --delete origin v1.2.3', not: "git's own; it needs a remote" },

  // Other machines, other packages.
  { names: 'xcode-select --install', not: 'it needs a Mac' },
  {
    names:
      'MTL_DEBUG_LAYER=1 MTL_SHADER_VALIDATION=1 MTL_SHADER_VALIDATION_REPORT_TO_STDERR=1 METAL_SGD_DEVICE=gpu npm start',
    not: 'it needs a Mac',
  },
  { names: 'clang++ -std=c++17 -framework Metal -framework Foundation', not: 'it needs a Mac' },
  {
    names: 'mpirun -np 4 node train.mjs',
    not: "train.mjs stands for the reader's program; test/distributed runs others",
  },
  { names: 'apt-get install openmpi-bin', doneBy: 'npm test' },
  { names: 'brew install open-mpi', not: 'it needs a Mac' },
  { names: 'srun --ntasks=8 --mpi=pmix node train.mjs', not: 'it needs a cluster' },
  { names: 'python3 -m venv ~/peers', not: 'it writes to the home folder' },
  { names: "~/peers/bin/pip install numpy torch 'mlx[cpu]'", not: 'PyTorch takes gigabytes' },
  {
    names: 'METAL_SGD_BENCH_PYTHON=~/peers/bin/python npm run bench -- --peers',
    not: "its Python is the home folder's; npm run bench -- --peers runs with another",
  },
  {
    names: 'METAL_SGD_BENCH_PYTHON=python3 npm run bench -- --peers',
    not: "its Python is the machine's; npm run bench -- --peers runs with another",
  },
];

/** What stands in a row's place in a shell. */
export const lineOf = ({ names, as = names }) => as;

/** The rows that run in CI or in the long tests, each line once. */
export function rowsOf(run) {
  const rows = TABLE.filter((row) => row.run === run);
  return rows.filter((row, i) => rows.findIndex((other) => lineOf(other) === lineOf(row)) === i);
}
