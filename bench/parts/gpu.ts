// What only a GPU has: the cost of a commit, the first step, the crossover; over the simulator, Metal's calls.
import { devices } from 'metal-sgd';
import { runChild } from '../child';
import type { Counted } from '../children/counters';
import type { GpuFound, GpuGiven, Times } from '../children/gpu';
import { atLeast, medianMetric, type Metric } from '../metrics';
import { isSimulated, simulatorFolder } from '../simulator';
import { pairedRatios, summarize } from '../statistics';
import { streamProgram } from '../stream';
import { modelNamed, MODELS } from '../models';
import { type Context, hasMemory } from './part';
import { messageOf } from '../errors';

const part = 'gpu';
const BYTES_PER_ELEMENT = 20; // float32 with momentum
const RESTS = [0, 200, 1500]; // milliseconds
const LARGE = 2 ** 24; // from here on the goal holds

/** Nothing where there is no GPU. */
export function gpu(context: Context): Metric[] {
  if (!devices().some(({ type }) => type === 'gpu')) return [];
  const simulated = isSimulated();
  const metrics = [...speeds(context, simulated), ...(simulated ? calls(context) : [])];
  return simulated ? metrics.map((metric) => ({ ...metric, note: 'simulated' })) : metrics;
}

/** On the simulator they only show that everything works. */
function speeds(context: Context, simulated: boolean): Metric[] {
  const sizes =
    context.isSmoke || simulated
      ? { sizes: [2 ** 16], steps: 5, smallSteps: 20, most: 2 ** 18, rests: [0, 10] }
      : { sizes: [2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26], steps: 40, smallSteps: 500, most: 2 ** 26, rests: RESTS };
  const fits = (elements: number): boolean => hasMemory(24 * elements, `GPU, ${String(elements)} elements`, context);
  const given: GpuGiven = { ...sizes, sizes: sizes.sizes.filter(fits), stream: streamOrWhy(context) };
  const found = runChild('gpu', given) as GpuFound;
  if (found.problem !== undefined) context.watch.complain(`${LEFT_OUT}: ${found.problem}`);
  const commit = summarize(found.small.gpu).median - summarize(found.small.cpu).median;
  return [
    { part, name: 'first step on the GPU (compiles, proves the device)', value: found.first, unit: 'ms' },
    { part, name: 'cost of a commit: 64 elements, above the CPU', value: commit * 1000, unit: 'us' },
    found.crossover === null
      ? { part, name: 'crossover: auto keeps to the CPU up to', value: sizes.most, unit: 'elements' }
      : { part, name: 'crossover: auto takes the GPU from here on', value: found.crossover, unit: 'elements' },
    ...found.rested.map(({ rest, wall }) => {
      const name = `GPU, ${String(given.sizes.at(-1) ?? found.smallElements)} elements, after a rest of ${String(rest)} ms`;
      return medianMetric({ part, name, unit: 'ms' }, wall);
    }),
    ...found.large.flatMap(({ elements, stream, ...own }) => [
      ...ratesOf('GPU', elements, own),
      ...(stream ? [...ratesOf('GPU streaming kernel', elements, stream), shareOf(elements, own, stream)] : []),
    ]),
  ];
}

const LEFT_OUT = "the GPU's streaming kernel is left out";

/** The program that the GPU's baseline is measured by; says in a line why there is none. */
function streamOrWhy({ watch }: Context): string | undefined {
  try {
    return streamProgram(simulatorFolder());
  } catch (error) {
    watch.complain(`${LEFT_OUT}: ${messageOf(error)}`);
    return undefined;
  }
}

function ratesOf(who: string, elements: number, { wall, onGpu }: Times): Metric[] {
  const rates = (times: readonly number[]): number[] => times.map((ms) => (elements * BYTES_PER_ELEMENT) / ms / 1e6);
  const name = `${who}, ${String(elements)} elements`;
  return [
    medianMetric({ part, name: `${name}, by the wall clock`, unit: 'GB/s' }, rates(wall)),
    medianMetric({ part, name: `${name}, by the GPU's clock`, unit: 'GB/s' }, rates(onGpu)),
  ];
}

/** By the GPU's clock, in pairs of steps that were taken in the same turn. */
function shareOf(elements: number, own: Times, stream: Times): Metric {
  const name = `metal-sgd on the GPU, speed relative to the streaming kernel, ${String(elements)} elements`;
  const goal = elements >= LARGE ? { goal: atLeast(0.8) } : {};
  return medianMetric({ part, name, unit: '', ...goal }, pairedRatios(stream.onGpu, own.onGpu));
}

const MADE = ['buffersAllocated', 'buffersWrapped', 'commandQueues', 'libraries', 'functions', 'pipelines'];

/** Of one step of each model, after the first ones. */
function calls(context: Context): Metric[] {
  const models = MODELS.filter(({ group }) => !context.isSmoke || group === 'small')
    .filter(({ name, total }) => hasMemory(12 * total, `counting the calls of ${name}`, context))
    .map(({ name }) => name);
  return (runChild('counters', { models }) as Counted[]).flatMap(({ model, copiedBytes, counters, outside }) => {
    const sum = (names: readonly string[]): number => names.reduce((total, name) => total + (counters[name] ?? NaN), 0);
    const leaves = modelNamed(model)?.counts.length ?? 0;
    const row = `${model} (${String(leaves)} ${leaves === 1 ? 'leaf' : 'leaves'})`;
    const metric = (column: string, value: number, unit = ''): Metric => ({
      part: 'calls',
      name: `one step of ${row}: ${column}`,
      value,
      unit,
      cell: { row, column },
      ...(unit === '' ? { isExact: true } : {}),
    });
    return [
      metric('command buffers', sum(['commandBuffers'])),
      metric('encoders', sum(['encoders'])),
      metric('dispatches', sum(['dispatches'])),
      metric('bytes bound', sum(['bytesBound'])),
      metric('bytes copied', copiedBytes),
      metric('objects made besides', sum(MADE)),
      metric('bytes made', sum(['bytesAllocated', 'bytesWrapped'])),
      metric("CPU time outside Metal's calls", summarize(outside).median * 1000, 'us'),
    ];
  });
}
