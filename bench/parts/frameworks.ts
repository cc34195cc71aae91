// What a training step takes by TensorFlow.js, with its own momentum optimizer and with metal-sgd's.
import { runChild } from '../child';
import type { FrameworksFound, FrameworksGiven } from '../children/frameworks';
import { messageOf } from '../errors';
import { atLeast, type Goal, medianMetric, type Metric } from '../metrics';
import { pairedRatios } from '../statistics';
import type { Context } from './part';

interface Case extends Omit<FrameworksGiven, 'rounds' | 'warmUp'> {
  /** Of the optimizer's part, relative to TensorFlow.js's own. */
  readonly goal?: Goal;
}

/** The backend wasm has no gradient of convolutions. */
const CASES: readonly Case[] = [
  { backend: 'wasm', trained: 'perceptron', goal: atLeast(1) },
  { backend: 'cpu', trained: 'perceptron' },
  { backend: 'cpu', trained: 'CNN' },
  { backend: 'wasm', trained: 'resnet50', goal: atLeast(3) },
  { backend: 'cpu', trained: 'resnet50', goal: atLeast(3) },
];

const WARM_UP = 5000; // milliseconds

/** Milliseconds of both, and how much faster ours is. */
export function frameworks({ isSmoke, rounds, watch }: Context): Metric[] {
  const cases = CASES.filter(({ trained }) => !isSmoke || trained !== 'resnet50');
  const warmUp = isSmoke ? 0 : WARM_UP;
  return cases.flatMap((one) => {
    if (watch.signal.aborted) return [];
    try {
      return metricsOf(
        one,
        runChild('frameworks', { ...one, rounds, warmUp } satisfies FrameworksGiven) as FrameworksFound,
        isSmoke,
      );
    } catch (error) {
      watch.complain(`TensorFlow.js, ${one.backend}, ${one.trained}, is left out: ${messageOf(error)}`);
      return [];
    }
  });
}

function metricsOf(
  { backend, trained, goal }: Case,
  { own, ours, copied }: FrameworksFound,
  isSmoke: boolean,
): Metric[] {
  const about = (what: string, unit: string): Pick<Metric, 'part' | 'name' | 'unit'> => ({
    part: 'frameworks',
    name: `TensorFlow.js ${backend}, ${trained}: ${what}`,
    unit,
  });
  const whole =
    trained === 'resnet50'
      ? []
      : [
          medianMetric(about('whole step, its own momentum', 'ms'), own.whole),
          medianMetric(about('whole step, metal-sgd', 'ms'), ours.whole),
        ];
  return [
    ...whole,
    medianMetric(about("optimizer's part, its own momentum", 'ms'), own.optimizer),
    medianMetric(about("optimizer's part, metal-sgd", 'ms'), ours.optimizer),
    medianMetric(
      { ...about("optimizer's part, speed relative to its own", ''), ...(goal && !isSmoke ? { goal } : {}) },
      pairedRatios(own.optimizer, ours.optimizer),
    ),
    { ...about('copied in a step', 'KiB'), value: copied / 1024, isExact: true },
  ];
}
