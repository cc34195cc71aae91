// What every binary must do, in plain JavaScript over the built package: for programs that can't run Jest.
//   smoke.cjs check     all checks, over the binary that METAL_SGD_BINARY names
//   smoke.cjs exit      ends by process.exit(7) while a step is in flight
//   smoke.cjs leave     leaves the end to Node, which has to wait for the step
/* global __filename */
const assert = require('node:assert/strict');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { SGD, devices, zeros, zerosLike } = require('../../dist/index.js');
const { native } = require('../../dist/addon/native.js');
const { ARRAYS, expectSameBits, goldenCases, goldenTree, repeated } = require('./golden.cjs');
const { expectBinary } = require('./loaded.cjs');

/** Sizes around every vector width and around the blocks of the 16-bit loops. */
const SIZES = [...Array(35).keys(), 63, 64, 65, 127, 128, 129, 130, 131, 191, 192, 193, 255, 256, 257, 383, 384, 385];

const dataOf = (leaf) => (ArrayBuffer.isView(leaf) ? leaf : leaf.data);

/** A leaf in an arena that holds `elements`. */
function arenaLeaf(dtype, elements) {
  const leaf = zeros([elements.length], dtype);
  leaf.data.set(elements);
  return leaf;
}

const METHODS = {
  update: (optimizer, parameters, gradients) => {
    optimizer.update(parameters, gradients);
    return parameters;
  },
  updateAsync: async (optimizer, parameters, gradients) => {
    await optimizer.updateAsync(parameters, gradients);
    return parameters;
  },
  applyGradients: (optimizer, parameters, gradients) => ({
    ...parameters,
    ...optimizer.applyGradients(gradients, parameters),
  }),
};

/** One golden case by one method; `part` takes the elements to step, `leafOf` makes a leaf of them. */
async function walk({ dtype, options, parameter, steps }, method, part, leafOf) {
  const optimizer = new SGD(0, { ...options, device: 'cpu' });
  let parameters = { w: leafOf(dtype, part(parameter)) };
  for (const [i, step] of steps.entries()) {
    optimizer.learningRate = step.learningRate;
    parameters = await METHODS[method](optimizer, parameters, { w: leafOf(dtype, part(step.gradient)) });
    expectSameBits(dtype, dataOf(parameters.w), part(step.parameter), `parameter after step ${i + 1}`);
    const { v } = optimizer.state.parameters.w;
    assert.equal(v === undefined, step.v === undefined);
    if (v) expectSameBits(dtype, dataOf(v), part(step.v), `v after step ${i + 1}`);
  }
}

/** A tensor at every misalignment in turn, between bytes that nobody may write. */
function guardedLeaves(guards) {
  let shift = 0;
  return (dtype, elements) => {
    const before = shift++ % 17;
    const whole = new ARRAYS[dtype](before + elements.length + 3).fill(1234);
    whole.set(elements, before);
    guards.push([whole, before, elements.length]);
    return { data: whole.subarray(before, before + elements.length), shape: [elements.length], dtype };
  };
}

function expectGuards(guards) {
  for (const [whole, before, length] of guards) {
    const outside = [...whole.subarray(0, before), ...whole.subarray(before + length)];
    assert.ok(
      outside.every((item) => item === 1234),
      `${length} elements from ${before} on: written outside`,
    );
  }
}

const throwsCode = (code, kind, action) => {
  assert.throws(action, (error) => error instanceof kind && error.code === code);
};

const everyCase = (title, run) =>
  goldenCases().map((golden) => ({ name: `${title}, ${golden.name}`, run: () => run(golden) }));

function goldenChecks(instructionSet) {
  const on = (run) => async (golden) => {
    native().chooseInstructionSet(instructionSet);
    await run(golden);
  };
  const whole = (array) => array;
  return [
    ...Object.keys(METHODS).flatMap((method) =>
      everyCase(
        `${instructionSet}, ${method}`,
        on((golden) => walk(golden, method, whole, arenaLeaf)),
      ),
    ),
    ...everyCase(
      `${instructionSet}, sizes and misalignments`,
      on(async (golden) => {
        for (const size of SIZES) {
          const guards = [];
          await walk(golden, 'update', (array) => repeated(array, size, size), guardedLeaves(guards));
          expectGuards(guards);
        }
      }),
    ),
  ];
}

async function treeCheck(method) {
  const golden = goldenTree();
  const leaves = (arrays) =>
    Object.fromEntries(Object.entries(arrays).map(([path, array]) => [path, arenaLeaf('float32', array)]));
  const optimizer = new SGD(golden.learningRate, { ...golden.options, device: 'cpu' });
  let parameters = leaves(golden.parameters);
  for (const step of golden.steps) {
    optimizer.learningRate = step.learningRate;
    parameters = await METHODS[method](optimizer, parameters, leaves(step.gradients));
    assert.equal(optimizer.step, step.step);
    const { parameters: states } = optimizer.state;
    for (const [path, array] of Object.entries(step.parameters))
      expectSameBits('float32', parameters[path].data, array, path);
    for (const [path, array] of Object.entries(step.v)) expectSameBits('float32', states[path].v.data, array, path);
  }
}

/** A worker that steps the trees it is handed, `steps` times both ways. */
function stepInWorker(trees, steps) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { trees, steps } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const others = [
  {
    name: 'devices()',
    run: () => {
      const [cpu, ...rest] = devices();
      assert.deepEqual(rest, []);
      assert.equal(cpu.type, 'cpu');
      assert.ok(cpu.instructionSet.length > 0 && cpu.threads >= 1, JSON.stringify(cpu));
    },
  },
  ...Object.keys(METHODS).map((method) => ({ name: `a tree, ${method}`, run: () => treeCheck(method) })),
  {
    name: 'errors have their kinds and codes, and change nothing',
    run: async () => {
      const optimizer = new SGD(0.1, { momentum: 0.9 });
      const parameters = zeros({ w: [3] });
      throwsCode('length-mismatch', RangeError, () => {
        optimizer.update({ w: parameters.w.data }, { w: new Float32Array(2) });
      });
      throwsCode('missing-parameter', RangeError, () => optimizer.update(parameters, { other: zeros([3]) }));
      throwsCode('invalid-leaf', TypeError, () => optimizer.update(parameters, { w: 'no leaf' }));
      throwsCode('no-gpu', Error, () => new SGD(0.1, { device: 'gpu' }).update(parameters, zerosLike(parameters)));
      assert.throws(() => native().chooseInstructionSet('abacus'), /no such instruction set/);
      const plain = { w: new Float32Array(3) };
      await assert.rejects(optimizer.updateAsync(plain, { w: new Float32Array(3) }), { code: 'not-shared' });
      assert.equal(optimizer.step, 0);
    },
  },
  {
    name: 'an arena is shared with a worker, which steps it',
    run: async () => {
      const parameters = zeros({ a: [1000], b: [7] });
      const gradients = zerosLike(parameters);
      gradients.a.data.fill(1);
      gradients.b.data.fill(2);
      assert.equal(await stepInWorker({ parameters, gradients }, 3), 6);
      assert.deepEqual([parameters.a.data[999], parameters.b.data[6]], [-6, -12]);
    },
  },
  {
    name: 'steps in flight go on in order while others wait',
    run: async () => {
      const parameters = zeros([1_000_003]);
      const gradients = zerosLike(parameters);
      gradients.data.fill(1);
      const optimizer = new SGD((step) => 2 ** step);
      const steps = [0, 1, 2, 3].map(() => optimizer.updateAsync(parameters, gradients));
      throwsCode('busy', Error, () => optimizer.update(parameters, gradients));
      await Promise.all(steps);
      assert.ok(parameters.data.every((w) => w === -15));
      assert.equal(optimizer.step, 4);
    },
  },
];

async function check() {
  const { instructionSets } = native().machine();
  assert.equal(instructionSets.join(','), process.env.METAL_SGD_INSTRUCTION_SETS);
  const checks = [...others, ...instructionSets.flatMap(goldenChecks)];
  let failed = 0;
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}\n${error.stack ?? error}`);
    }
  }
  expectBinary();
  console.log(JSON.stringify({ passed: checks.length - failed, failed }));
  process.exitCode = failed > 0 ? 1 : 0;
}

/** A step that takes a while. */
function longStep() {
  const parameters = zeros([20_000_000]);
  return new SGD(0.1).updateAsync(parameters, zerosLike(parameters));
}

async function stepsOfWorker({ trees: { parameters, gradients }, steps }) {
  const optimizer = new SGD(1);
  for (let i = 0; i < steps; i++) {
    optimizer.update(parameters, gradients);
    await optimizer.updateAsync(parameters, gradients);
  }
  parentPort.postMessage(optimizer.step);
}

const MODES = {
  check,
  exit: () => {
    void longStep();
    process.exit(7);
  },
  leave: () => {
    void longStep().then(() => console.log(JSON.stringify({ settled: true })));
  },
};

void (isMainThread ? MODES[process.argv[2]]() : stepsOfWorker(workerData));
