// Both devices side by side, where there is a GPU: the network is too small for one, so that nobody would see it work.
import { devices, SGD, toBytes, zeros, zerosLike } from 'metal-sgd';
import type { Split } from './data';
import { messageOf } from './errors';
import { plural } from './report';
import { stepsPerEpoch, train, type Training, type TrainingOptions } from './training';

/** Elements of the large step, as many as ResNet-50 has. */
const ELEMENTS = 25_600_000;
const BYTES_PER_ELEMENT = 20; // float32 with momentum: three reads, two writes
const MOST_STEPS = 20;
const MOST_SECONDS = 1;

type Side = 'cpu' | 'gpu';

/** True if there is a GPU, and the user has asked for no device. */
export function canCompare(device: string): boolean {
  const isAsked = device !== 'auto' || (process.env['METAL_SGD_DEVICE'] ?? '') !== '';
  return !isAsked && devices().some(({ type }) => type === 'gpu');
}

/** Trains an epoch on each device, takes large steps on each, and prints what came of it. */
export async function compareDevices(
  begin: (device: 'auto' | 'gpu') => Training,
  split: Split,
  options: TrainingOptions,
  signal: AbortSignal,
): Promise<void> {
  const [{ name }] = devices();
  console.log(`\nCPU and ${name}`);
  try {
    console.log(`the same training: ${await trainOnBoth(begin, split, options, signal)}`);
    const milliseconds = { cpu: largeStep('cpu'), gpu: largeStep('gpu') };
    console.log(`a step of ${(ELEMENTS / 1e6).toFixed(1)} M elements with momentum:`);
    for (const side of ['cpu', 'gpu'] as const) console.log(rowOf(side, milliseconds[side]));
    if (process.platform !== 'darwin') console.log('  this GPU is simulated: speeds mean nothing here');
  } catch (error) {
    if (signal.aborted) throw error;
    console.log(`the GPU failed: ${messageOf(error)}`);
  }
}

/** Steps so small run on the CPU under 'auto', with subnormals as the GPU has them. */
async function trainOnBoth(
  begin: (device: 'auto' | 'gpu') => Training,
  split: Split,
  options: TrainingOptions,
  signal: AbortSignal,
): Promise<string> {
  const trainings = [begin('auto'), begin('gpu')];
  for (const training of trainings) await train(training, split, { ...options, epochs: 1 }, signal, () => undefined);
  const [onCpu, onGpu] = trainings.map(({ parameters }) => toBytes(parameters));
  const steps = plural(stepsPerEpoch(split.train, options), 'step');
  if (Buffer.compare(onCpu, onGpu) === 0) return `${steps} on each, the same bits in all parameters`;
  process.exitCode = 1;
  return `${steps} on each, and OTHER BITS: please open an issue`;
}

/** Milliseconds, the median of several steps after a first one. */
function largeStep(device: Side): number {
  const parameters = [zeros(ELEMENTS)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { momentum: 0.9, device });
  optimizer.update(parameters, gradients);
  const times: number[] = [];
  for (let sum = 0; times.length < MOST_STEPS && sum < 1000 * MOST_SECONDS; sum += times[times.length - 1]) {
    const start = performance.now();
    optimizer.update(parameters, gradients);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
}

function rowOf(side: Side, milliseconds: number): string {
  const rate = (ELEMENTS * BYTES_PER_ELEMENT) / milliseconds / 1e6;
  return `  ${side}  ${milliseconds.toPrecision(3).padStart(6)} ms  ${rate.toPrecision(3).padStart(6)} GB/s`;
}
