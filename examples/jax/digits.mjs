// Trains a convolutional network on handwritten digits: gradients by jax-js on the GPU, steps by metal-sgd.
import { blockUntilReady, defaultDevice, getWebGPUDevice, init, jit } from '@jax-js/jax';
import { lax, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { SingleBar } from 'cli-progress';
import { parse } from 'csv-parse/sync';
import { SGD, cosineDecay, zeros } from 'metal-sgd';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
/* global GPUBufferUsage, GPUMapMode, navigator */

const option = (value) => ({ type: 'string', default: value });
const { backend, report, ...counts } = parseArgs({
  options: { backend: option('webgpu'), epochs: option('15'), hidden: option('128'), report: option('') },
}).values;
const [epochs, units] = ['epochs', 'hidden'].map((name) => {
  const number = Number(counts[name]);
  if (Number.isInteger(number) && number >= 1) return number;
  return fail(`--${name}: expected a whole number from 1, received '${counts[name]}'`);
});
function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
if (!['webgpu', 'wasm'].includes(backend)) fail(`--backend: expected webgpu or wasm, received '${backend}'`);
if (backend === 'webgpu') {
  const { create, globals } = await import('webgpu'); // Dawn: Metal on Macs, Vulkan on Linux
  Object.assign(globalThis, globals);
  globalThis.navigator ??= { userAgent: 'node' };
  navigator.gpu = create([]);
}
if (!(await init(backend)).includes(backend)) fail('Dawn finds no GPU: see docs/frameworks.md, or try --backend wasm');
defaultDevice(backend);
const gpu = backend === 'webgpu' ? getWebGPUDevice() : undefined;

const [BATCH, FILTERS] = [32, 32];
let state = 7;
/** Uniform from 0 to 1, the same each time. */
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;

const rows = parse(readFileSync(new URL('../data/digits.csv', import.meta.url)), { from: 2, cast: Number })
  .map((row) => ({ row, key: random() }))
  .sort((a, b) => a.key - b.key)
  .map(({ row }) => row);
const batchCount = Math.floor((rows.length * 0.8) / BATCH);
/** Images of one channel, and classes as rows with a single 1. */
function arraysOf(some) {
  const pixels = some.flatMap((row) => row.slice(0, 64).map((value) => value / 16));
  const classes = np.array(Int32Array.from(some, (row) => row[64]));
  return [np.array(Float32Array.from(pixels), { shape: [some.length, 1, 8, 8] }), nn.oneHot(classes, 10)];
}
const batches = Array.from({ length: batchCount }, (_, i) => arraysOf(rows.slice(i * BATCH, (i + 1) * BATCH)));
const unseen = arraysOf(rows.slice(batchCount * BATCH));

/** Uniform weights of He's variance, and biases of zero. */
function layer(inputs, outputs, shape = [inputs, outputs]) {
  const size = shape.reduce((product, side) => product * side);
  const weights = Float32Array.from({ length: size }, () => (2 * random() - 1) * Math.sqrt(6 / inputs));
  return { weight: np.array(weights, { shape }), bias: np.zeros([outputs]) };
}
const [initial, structure] = tree.flatten({
  filters: layer(9, FILTERS, [FILTERS, 1, 3, 3]),
  hidden: layer(FILTERS * 9, units),
  output: layer(units, 10),
});
function logitsOf({ filters, hidden, output }, x) {
  const maps = lax.conv(x, filters.weight, [1, 1], 'VALID').add(filters.bias.reshape([FILTERS, 1, 1]));
  const pooled = nn.relu(maps).reshape([-1, FILTERS, 3, 2, 3, 2]).max([3, 5]);
  const active = nn.relu(np.matmul(pooled.reshape([-1, FILTERS * 9]), hidden.weight).add(hidden.bias));
  return np.matmul(active, output.weight).add(output.bias);
}
const lossOf = (parameters, x, y) => np.sum(nn.logSoftmax(logitsOf(parameters, x)).mul(y)).mul(-1 / BATCH);

// All parameters are one array, and so are all gradients and the loss. Each leaf is a part of it.
const shapes = initial.map(({ shape }) => shape);
const ends = initial.map((_, i) => initial.slice(0, i + 1).reduce((sum, { size }) => sum + size, 0));
const count = ends.at(-1);
const joined = (arrays) => np.concatenate(arrays.map((array) => np.ravel(array)));
/** A tree of the same structure. */
const treeOf = (part) => tree.unflatten(structure, shapes.map(part));
function leavesOf({ data }) {
  return treeOf((shape, i) => ({ dtype: 'float32', shape, data: data.subarray(ends[i - 1] ?? 0, ends[i]) }));
}
function arraysIn(flat) {
  const parts = np.split(flat, ends.slice(0, -1));
  return treeOf((shape, i) => parts[i].reshape(shape));
}
const gradientsOf = jit((flat, x, y) => {
  const [loss, gradients] = valueAndGrad(lossOf)(arraysIn(flat), x, y);
  return joined([...tree.leaves(gradients), loss]);
});

const size = 4 * (count + 1);
const staging = gpu?.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
/** Waits until an array of jax-js can be read; returns what copies it. */
async function mapped(array) {
  if (!gpu) return array.data();
  const encoder = gpu.createCommandEncoder();
  encoder.copyBufferToBuffer(await array.ref.gpuBuffer(), 0, staging, 0, size);
  gpu.queue.submit([encoder.finish()]);
  array.dispose();
  await staging.mapAsync(GPUMapMode.READ);
  return new Float32Array(staging.getMappedRange());
}
const unshared = gpu && new Float32Array(count); // webgpu 0.6.2 crashes at shared memory
function uploaded({ data }) {
  unshared?.set(data);
  return np.array(unshared ?? data);
}

const times = {};
/** The result of some work, whose milliseconds are noted. */
async function timed(name, work) {
  const start = performance.now();
  const result = await work();
  (times[name] ??= []).push(performance.now() - start);
  return result;
}

const [parameters, gradients] = [zeros([count]), zeros([count + 1])];
parameters.data.set(await joined(initial).data());
const [parameterTree, gradientTree] = [parameters, gradients].map(leavesOf);
const steps = epochs * batchCount;
const learningRate = cosineDecay(Math.min(0.05, 6.4 / units), steps); // wide layers diverge beyond
const optimizer = new SGD(learningRate, { momentum: 0.9, nesterov: true, weightDecay: 1e-3 });
const [losses, memory] = [[], []];
const bar = new SingleBar({ format: 'step {value}/{total} [{bar}] loss {loss}, {eta} s left', clearOnComplete: true });
bar.start(steps, 0, { loss: '-' });
for (let step = 0; step < steps; step++) {
  const batch = tree.ref(batches[step % batchCount]);
  const flat = await timed('upload', () => uploaded(parameters));
  const packed = await timed('forward and backward', () => blockUntilReady(gradientsOf(flat, ...batch)));
  const read = await timed('waiting', () => mapped(packed));
  await timed('copy', () => gradients.data.set(read));
  staging?.unmap();
  await timed('step', () => optimizer.update(parameterTree, gradientTree));
  losses.push(gradients.data[count]);
  if (step % batchCount === 0) memory.push(process.memoryUsage.rss());
  bar.increment({ loss: losses[step].toFixed(4) });
}
bar.stop();
const classes = await np.argmax(logitsOf(arraysIn(uploaded(parameters)), unseen[0]), 1).data();
const accuracy = classes.filter((found, i) => found === rows[batchCount * BATCH + i][64]).length / classes.length;
const median = (samples) => samples.sort((a, b) => a - b)[samples.length >> 1];
const milliseconds = Object.fromEntries(Object.entries(times).map(([name, samples]) => [name, median(samples)]));
const parts = Object.entries(milliseconds).map(([name, time]) => `${name} ${time.toPrecision(3)} ms`);
console.log(`median times of a step of ${count} parameters: ${parts.join(', ')}`);
console.log(`test accuracy: ${(100 * accuracy).toFixed(2)} %`);
const result = { backend, parameters: count, accuracy, milliseconds, losses, memory };
if (report) writeFileSync(report, JSON.stringify(result));
if (gpu) delete navigator.gpu; // Node does not end before
