// What a GPU does, one probe a process: `probes.mjs '{"probe":"subnormals"}'`.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { answer, given, loadPackage } from './child.mjs';

const { SGD, addon, devices, meanOf, zeros, zerosLike } = loadPackage();
const OPTIONS = { momentum: 0.9, nesterov: true, weightDecay: 1e-3 };

/** The first GPU's name, or why there is none. */
function gpu() {
  try {
    new SGD(1, { device: 'gpu' });
    return { name: devices()[0].name };
  } catch (error) {
    return { missing: error.message };
  }
}

/** The first step of a dtype runs its self-test. */
function selfTest({ dtype }) {
  const parameters = [zeros([8], dtype)];
  try {
    new SGD(0.1, { ...OPTIONS, device: 'gpu' }).update(parameters, zerosLike(parameters));
    return { passed: true };
  } catch (error) {
    return { passed: false, message: `${error.code}: ${error.message}` };
  }
}

const bitsOf = ({ data }) => new Uint32Array(data.buffer, data.byteOffset, data.length);

/** Bits of parameters and velocities after ten steps from values of which none becomes subnormal. */
function tenSteps(device) {
  const parameters = [zeros(100_003)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { ...OPTIONS, device });
  for (let step = 0; step < 10; step++) {
    gradients[0].data.forEach((_, i) => (gradients[0].data[i] = (((i * 2654435761 + step) >>> 0) % 2001) / 1000 + 0.5));
    optimizer.update(parameters, gradients);
  }
  return [parameters[0], optimizer.state.parameters[0].v].map(bitsOf);
}

function sameBits() {
  const [onCpu, onGpu] = ['cpu', 'gpu'].map(tenSteps);
  const differing = (bits, i) => bits.filter((word, at) => word !== onGpu[i][at]).length;
  return { differences: onCpu.map(differing).reduce((sum, count) => sum + count) };
}

/** Trees of `count` gradients of these leaves; none is or becomes subnormal, and no square of theirs. */
function gradientsOf(parameters, count) {
  return Array.from({ length: count }, (_, k) => {
    const gradients = zerosLike(parameters);
    for (const { data } of gradients)
      data.forEach((_, i) => (data[i] = (((i * 2654435761 + k) >>> 0) % 2001) / 1000 + 0.5));
    return gradients;
  });
}

/** Elements in which a step of the mean of so many gradients differs from the CPU's; none is or becomes subnormal. */
function means({ count }) {
  const stepOn = (device) => {
    const parameters = [zeros(100_003)];
    new SGD(0.1, { device }).update(parameters, meanOf(...gradientsOf(parameters, count)));
    return bitsOf(parameters[0]);
  };
  const [onCpu, onGpu] = ['cpu', 'gpu'].map(stepOn);
  return { differences: onCpu.filter((word, i) => word !== onGpu[i]).length };
}

/** Elements in which steps that clip the mean of two gradients differ from the CPU's, or norms that do. */
function clipped({ elements }) {
  const stepOn = (device) => {
    const parameters = [zeros(elements), zeros(10_000), zeros(1)];
    const mean = meanOf(...gradientsOf(parameters, 2));
    const optimizer = new SGD(0.1, { momentum: 0.9, maxNorm: 1, device });
    const norms = new Float32Array(3);
    norms.forEach((_, step) => {
      optimizer.update(parameters, mean, { gradientScale: 1 + step });
      norms[step] = optimizer.lastRun.gradientNorm;
    });
    return [...parameters, { data: norms }].flatMap(bitsOf);
  };
  const [onCpu, onGpu] = ['cpu', 'gpu'].map(stepOn);
  const differing = (bits, i) => bits.filter((word, at) => word !== onGpu[i][at]).length;
  return { differences: onCpu.map(differing).reduce((sum, count) => sum + count) };
}

const NORMS = 48;

/** Norms of 48 steps that differ from the CPU's; milliseconds of a step that clips and of one that does not, medians. */
function coefficient() {
  const stepsOn = (device, options) => {
    const parameters = [zeros(1000)];
    const [gradients] = gradientsOf(parameters, 1);
    const optimizer = new SGD(0.1, { ...options, device });
    const times = [];
    const norms = new Float32Array(NORMS);
    optimizer.update(parameters, gradients); // the self-test
    for (let i = 0; i < NORMS; i++) {
      const start = performance.now();
      optimizer.update(parameters, gradients, { gradientScale: 1 + i / 37 });
      times.push(performance.now() - start);
      norms[i] = optimizer.lastRun.gradientNorm ?? 0;
    }
    return { bits: [parameters[0], { data: norms }].flatMap((one) => [...bitsOf(one)]), times };
  };
  const [onCpu, onGpu] = ['cpu', 'gpu'].map((device) => stepsOn(device, { maxNorm: 1 }));
  const middle = ({ times }) => times.sort((a, b) => a - b)[NORMS / 2];
  return {
    differences: onCpu.bits.filter((word, i) => word !== onGpu.bits[i]).length,
    clipping: middle(onGpu),
    others: middle(stepsOn('gpu', { clipValue: 1 })),
  };
}

/** Whether an error inside the addon becomes a JavaScript one. */
function throws() {
  try {
    addon().addresses('no list');
    return { thrown: false };
  } catch {
    return { thrown: true };
  }
}

/** One step without momentum: the new parameters. */
function stepped(device, parameters, gradients, learningRate = 1) {
  const tree = [zeros(parameters.length)];
  const slopes = zerosLike(tree);
  tree[0].data.set(parameters);
  slopes[0].data.set(gradients);
  new SGD(learningRate, { device }).update(tree, slopes);
  return [...tree[0].data];
}

/** What becomes of a subnormal parameter, and of a normal one whose step leaves a subnormal. */
function subnormals() {
  const kept = stepped('gpu', [1e-40, 1.5 * 2 ** -126], [0, 2 ** -126]).filter((value) => value !== 0).length;
  return { are: ['flushed to zero', 'kept in part', 'kept'][kept] };
}

/** The same below zero: the sign of what is left. */
function flushedZero() {
  const left = (device) =>
    stepped(device, [-1e-40, -1.5 * 2 ** -126], [0, -(2 ** -126)]).map((value) =>
      value === 0 ? (Object.is(value, -0) ? '-0' : '+0') : String(value),
    );
  return { gpu: left('gpu'), cpu: left('auto') };
}

/** What becomes of a subnormal gradient that is the first velocity. */
function copiedSubnormals() {
  const parameters = [zeros(1)];
  const gradients = zerosLike(parameters);
  gradients[0].data[0] = 1e-40;
  const optimizer = new SGD(1, { momentum: 0.9, firstStep: 'torch', device: 'gpu' });
  optimizer.update(parameters, gradients);
  return { are: optimizer.state.parameters[0].v.data[0] === 0 ? 'flushed to zero' : 'kept' };
}

/** What becomes of a product that is just below 2^-126, and 2^-126 once rounded. */
function tinyProducts() {
  const left = (device) => stepped(device, [0], [2 ** -126 * (1 + 2 ** -23)], 1 - 2 ** -23)[0];
  const word = (value) => (value === 0 ? 'flushed to zero' : 'kept');
  return { gpu: word(left('gpu')), cpu: word(left('auto')) };
}

/** Of 64 growable buffers, those that start on a page of 16 KiB. */
function pageAlignment() {
  const buffers = Array.from({ length: 64 }, (_, i) => {
    const maxByteLength = 65536 * (i + 1);
    return new Uint8Array(new SharedArrayBuffer(maxByteLength, { maxByteLength }));
  });
  const onPages = addon()
    .addresses(buffers)
    .filter((address) => address % 16384 === 0).length;
  return { onPages };
}

/** Steps of so many elements. */
function stepsOf(elements, device = 'gpu') {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { momentum: 0.9, device });
  return {
    optimizer,
    step: () => optimizer.update(parameters, gradients),
    stepAsync: () => optimizer.updateAsync(parameters, gradients),
  };
}

/** What a step copies, where its arena is no larger than that of these elements. */
function copied({ elements = 8 }) {
  const { optimizer, step } = stepsOf(elements);
  step();
  return { elements, copiedBytes: optimizer.lastRun.copiedBytes };
}

const REPEATS = 3;

const middleOf = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Milliseconds. */
function timeOf(step) {
  const start = performance.now();
  step();
  return performance.now() - start;
}

/** Milliseconds of a step after rests, each the middle of three. */
async function pauses({ elements, rests }) {
  const { step } = stepsOf(elements);
  for (let i = 0; i < REPEATS; i++) step();
  const found = [];
  for (const rest of rests) {
    const times = [];
    for (let i = 0; i < REPEATS; i++) {
      if (rest > 0) await sleep(rest);
      times.push(timeOf(step));
    }
    found.push({ rest, milliseconds: middleOf(times) });
  }
  return { pauses: found };
}

/** The processor's time of this process while the GPU steps, as a share of the time that passes. */
async function spin({ elements, steps }) {
  const { stepAsync } = stepsOf(elements);
  await stepAsync();
  const [before, start] = [process.cpuUsage(), performance.now()];
  for (let i = 0; i < steps; i++) await stepAsync();
  const { user, system } = process.cpuUsage(before);
  return { elements, share: (user + system) / 1000 / (performance.now() - start) };
}

/** Milliseconds of a step, the median. */
function stepTime({ elements, steps, device }) {
  const { step } = stepsOf(elements, device);
  for (let i = 0; i < REPEATS; i++) step();
  return { milliseconds: middleOf(Array.from({ length: steps }, () => timeOf(step))) };
}

/** The same of each step in its environment and without, in turn: milliseconds, the middle of three. */
function inTwoWays({ steps }) {
  const script = fileURLToPath(import.meta.url);
  const timeIn = (step, more) => {
    const given = JSON.stringify({ probe: 'stepTime', ...step });
    const options = { encoding: 'utf8', env: { ...process.env, ...more } };
    return JSON.parse(execFileSync(process.execPath, [script, given], options)).milliseconds;
  };
  return {
    steps: steps.map(({ environment, ...step }) => {
      const rounds = Array.from({ length: REPEATS }, () => [timeIn(step, {}), timeIn(step, environment)]);
      const middle = (at) => middleOf(rounds.map((round) => round[at]));
      return { elements: step.elements, environment, without: middle(0), with: middle(1) };
    }),
  };
}

const probes = {
  gpu,
  selfTest,
  sameBits,
  means,
  clipped,
  coefficient,
  throws,
  subnormals,
  flushedZero,
  tinyProducts,
  copiedSubnormals,
  pageAlignment,
  copied,
  pauses,
  spin,
  stepTime,
  inTwoWays,
};

answer(await probes[given().probe](given()));
