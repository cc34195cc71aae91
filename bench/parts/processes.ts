// What is measured in fresh processes: start-up, the JavaScript heap, resident memory, the event loop.
import { spawnSync } from 'node:child_process';
import { runChild } from '../child';
import type { DelayFound } from '../children/delay';
import { atMost, medianMetric, type Metric } from '../metrics';
import { VERBS } from '../selection';
import { modelNamed } from '../models';
import { type Context, hasMemory } from './part';

const KIB = 1024;
const MIB = 2 ** 20;

/** Milliseconds, in turn with a process that does nothing. */
export function startup({ rounds, watch }: Context): Metric[] {
  const times: Record<'bare' | 'load' | 'firstStep', number[]> = { bare: [], load: [], firstStep: [] };
  for (let round = 0; round < Math.min(rounds, 11) && !watch.signal.aborted; round++) {
    const start = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    times.bare.push(performance.now() - start);
    const { load, firstStep } = runChild('startup', { device: 'cpu' }) as Record<'load' | 'firstStep', number>;
    times.load.push(load);
    times.firstStep.push(firstStep);
  }
  if (times.load.length === 0) return [];
  return [
    medianMetric({ part: 'startup', name: "require('metal-sgd') in a fresh process", unit: 'ms' }, times.load),
    medianMetric({ part: 'startup', name: 'then until a first step is done', unit: 'ms' }, times.firstStep),
    medianMetric({ part: 'startup', name: 'a Node process that does nothing', unit: 'ms' }, times.bare),
  ];
}

/** Bytes over 10,000 updates of one tree. */
export function heap({ isSmoke }: Context): Metric[] {
  const flags = ['--max-semi-space-size=64', '--min-semi-space-size=64'];
  const sizes = { warmUp: isSmoke ? 20_000 : 200_000, steps: 10_000, windows: isSmoke ? 3 : 10 };
  return ['mlp', 'leaf-1000'].flatMap((model): Metric[] => {
    const windows = runChild('heap', { model, ...sizes }, flags) as number[];
    const about = { part: 'heap', name: `heap over 10,000 updates, ${model}`, unit: 'KiB', goal: atMost(1) };
    return [
      medianMetric(
        about,
        windows.map((bytes) => bytes / KIB),
      ),
    ];
  });
}

/** Resident bytes beside the arrays. */
export function memory(context: Context): Metric[] {
  const models = context.isSmoke ? ['mlp'] : ['resnet50', 'list-100k', 'gpt2'];
  return models.flatMap((model) => {
    const bytes = 12 * (modelNamed(model)?.total ?? 0);
    if (!hasMemory(2 * bytes, `resident memory of ${model}`, context)) return [];
    return VERBS.filter(() => !context.watch.signal.aborted).map((verb): Metric => {
      const name = `resident above the arrays, ${model}, ${verb}`;
      return { part: 'memory', name, value: (runChild('memory', { model, verb }) as number) / MIB, unit: 'MiB' };
    });
  });
}

/** Milliseconds that `updateAsync` keeps the event loop waiting. */
export function delay(context: Context): Metric[] {
  const cases = context.isSmoke
    ? [{ elements: 1e6, steps: 5, goal: 5 }]
    : [
        { elements: 25.6e6, steps: 40, goal: 5 },
        { elements: 124e6, steps: 20, goal: 2 },
      ];
  return cases.flatMap(({ elements, steps, goal }) => {
    const what = `updateAsync of ${String(elements / 1e6)} M elements`;
    if (!hasMemory(12 * elements, what, context)) return [];
    const { p99, most } = runChild('delay', { elements, steps }) as DelayFound;
    const name = `${what}: event loop late by (p99 of ${String(steps)} steps)`;
    return [{ part: 'delay', name, value: p99, unit: 'ms', goal: atMost(goal), note: `${most.toFixed(2)} ms at most` }];
  });
}
