// How fast steps are: bytes per second of large ones, the cost of small ones and of the first, delays of the event loop.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer, given, loadPackage } from './child.mjs';

const { SGD, zeros, zerosLike } = loadPackage();
const OPTIONS = { momentum: 0.9 };
const BYTES_PER_ELEMENT = 20; // read parameter, gradient, velocity; write parameter, velocity

const milliseconds = (nanoseconds) => nanoseconds / 1e6;

function percentile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function makeTrees(elements) {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  parameters[0].data.fill(1);
  gradients[0].data.fill(1e-3);
  return [parameters, gradients];
}

/** Milliseconds of each of `count` steps, after three that warm up. */
function timeSteps(device, trees, count) {
  const optimizer = new SGD(0.01, { ...OPTIONS, device });
  for (let i = 0; i < 3; i++) optimizer.update(...trees);
  return Array.from({ length: count }, () => {
    const start = performance.now();
    optimizer.update(...trees);
    return performance.now() - start;
  });
}

/** Runs `work` while the delays of the event loop are watched, from a little before to a little after. */
async function watchLoop(work) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await sleep(5);
  const start = performance.now();
  await work();
  const took = performance.now() - start;
  await sleep(5);
  delays.disable();
  return { took, p99: milliseconds(delays.percentile(99)), longest: milliseconds(delays.max) };
}

/** The first step of the process, or many for `duration` milliseconds. */
async function asynchronous(elements, duration = 0) {
  const trees = makeTrees(elements);
  const optimizer = new SGD(0.01, { ...OPTIONS, device: 'gpu' });
  return watchLoop(async () => {
    const end = performance.now() + duration;
    do await optimizer.updateAsync(...trees);
    while (performance.now() < end);
  });
}

function bandwidth(elements, count) {
  const trees = makeTrees(elements);
  const speeds = ['cpu', 'gpu'].map((device) => {
    const median = percentile(timeSteps(device, trees, count), 0.5);
    return [device, { milliseconds: median, gigabytesPerSecond: (elements * BYTES_PER_ELEMENT) / median / 1e6 }];
  });
  return { elements, ...Object.fromEntries(speeds) };
}

function smallSteps(count) {
  const trees = makeTrees(1000);
  const costs = ['cpu', 'gpu'].map((device) => {
    const samples = timeSteps(device, trees, count);
    return [device, { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99) }];
  });
  return Object.fromEntries(costs);
}

/** The least power of two of elements that 'auto' gives to the GPU; null if there is none up to `most`. */
function crossover(most) {
  for (let elements = 4096; elements <= most; elements *= 2) {
    const optimizer = new SGD(0.01, OPTIONS);
    optimizer.update(...makeTrees(elements));
    if (optimizer.lastRun.device === 'gpu') return elements;
  }
  return null;
}

const { sizes, count, smallCount, most } = given();
delete process.env.METAL_SGD_DEVICE; // it would decide where 'auto' runs
const first = await asynchronous(8);
const later = await asynchronous(sizes[0], 500);
const small = smallSteps(smallCount);
const large = sizes.map((elements) => {
  globalThis.gc();
  return bandwidth(elements, count);
});
answer({ first, later, small, large, crossover: crossover(most), most });
