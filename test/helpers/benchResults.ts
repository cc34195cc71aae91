// Results of the benchmarks, made up for tests.
import { RULES } from '../../bench/contestant';
import type { Series } from '../../bench/measure';
import type { Metric } from '../../bench/metrics';
import type { Result, Results } from '../../bench/results';

export function seriesOf(contestant: string, samples: (number | null)[]): Series {
  return { contestant, agrees: true, steps: 1, bytes: 100, samples };
}

/** One case, the perceptron's unless `about` says otherwise. */
export function resultOf(series: Series[], about: Partial<Result> = {}): Result {
  const [, rule] = RULES;
  return {
    model: 'mlp',
    elements: 101_770,
    leaves: 4,
    dtype: 'float32',
    rule,
    threads: 2,
    unit: 'ns per step',
    series,
    ...about,
  };
}

export function resultsWith(series: Series[], metrics: Metric[] = [], more: Result[] = []): Results {
  return {
    date: '2026-01-02T03:04:05.678Z',
    commit: 'abc',
    machine: {
      cpu: 'A processor',
      processors: 2,
      cores: 2,
      caches: ['L1 48K data'],
      memory: 2 ** 34,
      system: 'Linux',
      hugePages: 'madvise',
      load: 0,
      simulated: false,
      devices: [{ type: 'cpu', name: 'x64', instructionSet: 'AVX2', threads: 2 }],
    },
    versions: { 'metal-sgd': '0.1.0' },
    rounds: 11,
    interrupted: false,
    processors: [0, 1],
    c: 'cc -O3',
    results: [...(series.length > 0 ? [resultOf(series)] : []), ...more],
    metrics,
  };
}
