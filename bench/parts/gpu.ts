// What only a GPU has: the cost of a commit, the first step, the crossover; over the simulator, Metal's calls.
import { devices } from 'metal-sgd';
import { runChild } from '../child';
import type { Counted } from '../children/counters';
import type { GpuFound, GpuGiven } from '../children/gpu';
import { medianMetric, type Metric } from '../metrics';
import { isSimulated } from '../simulator';
import { summarize } from '../statistics';
import { workNamed, WORKS } from '../works';
import { type Context, hasMemory } from './part';

const BYTES_PER_ELEMENT = 20; // float32 with momentum

/** Nothing where there is no GPU. */
export function gpu(context: Context): Metric[] {
  if (!devices().some(({ type }) => type === 'gpu')) return [];
  const simulated = isSimulated();
  const metrics = [...speeds(context, simulated), ...(simulated ? calls(context) : [])];
  return simulated ? metrics.map((metric) => ({ ...metric, note: 'simulated' })) : metrics;
}

/** On the simulator they only show that everything works. */
function speeds({ isSmoke }: Context, simulated: boolean): Metric[] {
  const small = isSmoke || simulated;
  const sizes: GpuGiven = small
    ? { sizes: [2 ** 16], steps: 5, smallSteps: 20, most: 2 ** 18 }
    : { sizes: [2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26], steps: 40, smallSteps: 500, most: 2 ** 26 };
  const found = runChild('gpu', sizes) as GpuFound;
  const part = 'gpu';
  const commit = summarize(found.small.gpu).median - summarize(found.small.cpu).median;
  return [
    { part, name: 'first step on the GPU (compiles, proves the device)', value: found.first, unit: 'ms' },
    { part, name: 'cost of a commit: 64 elements, above the CPU', value: commit * 1000, unit: 'us' },
    found.crossover === null
      ? { part, name: 'crossover: auto keeps to the CPU up to', value: sizes.most, unit: 'elements' }
      : { part, name: 'crossover: auto takes the GPU from here on', value: found.crossover, unit: 'elements' },
    ...found.large.flatMap(({ elements, wall, onGpu }) => {
      const rates = (times: readonly number[]): number[] =>
        times.map((ms) => (elements * BYTES_PER_ELEMENT) / ms / 1e6);
      const name = `GPU, ${String(elements)} elements`;
      return [
        medianMetric({ part, name: `${name}, by the wall clock`, unit: 'GB/s' }, rates(wall)),
        medianMetric({ part, name: `${name}, by the GPU's clock`, unit: 'GB/s' }, rates(onGpu)),
      ];
    }),
  ];
}

const MADE = ['buffersAllocated', 'buffersWrapped', 'commandQueues', 'libraries', 'functions', 'pipelines'];

/** Of one step of each work, after the first ones. */
function calls(context: Context): Metric[] {
  const works = WORKS.filter(({ group }) => !context.isSmoke || group === 'small')
    .filter(({ name, total }) => hasMemory(12 * total, `counting the calls of ${name}`, context))
    .map(({ name }) => name);
  return (runChild('counters', { works }) as Counted[]).flatMap(({ work, copiedBytes, counters, host }) => {
    const sum = (names: readonly string[]): number => names.reduce((total, name) => total + (counters[name] ?? NaN), 0);
    const leaves = workNamed(work)?.counts.length ?? 0;
    const metric = (name: string, value: number, unit = ''): Metric => ({
      part: 'gpu',
      name: `one step of ${work} (${String(leaves)} leaves): ${name}`,
      value,
      unit,
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
      metric("host's time with empty kernels", summarize(host).median * 1000, 'us'),
    ];
  });
}
