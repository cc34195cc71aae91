// The speed of steps, as the benchmark suite measures it (bench/children), in the figures of the report.
import { join } from 'node:path';
import { root } from '../lib/run.mjs';
import { runNode } from './child.mjs';

const BYTES_PER_ELEMENT = 20; // float32 with momentum

function percentile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function speedOf(elements, samples) {
  const milliseconds = percentile(samples, 0.5);
  return { milliseconds, gigabytesPerSecond: (elements * BYTES_PER_ELEMENT) / milliseconds / 1e6 };
}

const costOf = (samples) => ({ p50: percentile(samples, 0.5), p99: percentile(samples, 0.99) });

/** Measures in processes of their own. `result` is what the report shows; `failure` says why there is none. */
export function measureSpeed({ sizes, steps, smallSteps, most }, environment) {
  const ask = (child, given) => {
    const script = join(root, 'bench', 'build', 'children', `${child}.js`);
    const { result, failure } = runNode(script, given, environment);
    if (failure) throw new Error(failure);
    return result;
  };
  try {
    const first = ask('delay', { elements: 8, steps: 1, device: 'gpu' });
    const later = ask('delay', { elements: sizes[0], steps, device: 'gpu' });
    const gpu = ask('gpu', { sizes, steps, smallSteps, most, onCpu: true });
    const large = gpu.large.map(({ elements, cpu, wall }) => ({
      elements,
      cpu: speedOf(elements, cpu),
      gpu: speedOf(elements, wall),
    }));
    const small = { elements: gpu.smallElements, cpu: costOf(gpu.small.cpu), gpu: costOf(gpu.small.gpu) };
    return { result: { first, later, small, large, crossover: gpu.crossover, most } };
  } catch (error) {
    return { failure: error.message };
  }
}
