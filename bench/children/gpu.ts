// How a GPU does: bytes per second, what a step costs that does almost nothing, the first step, and from where on it is
// the faster one. Times are milliseconds.
import { SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';

export interface GpuGiven {
  /** Elements of the large steps, and the most that the crossover is looked for at. */
  readonly sizes: readonly number[];
  readonly steps: number;
  readonly smallSteps: number;
  readonly most: number;
}

export interface GpuFound {
  readonly first: number;
  readonly small: Readonly<Record<'cpu' | 'gpu', readonly number[]>>;
  /** Elements; null if the CPU is faster everywhere up to the most. */
  readonly crossover: number | null;
  readonly large: readonly Large[];
}

interface Large {
  readonly elements: number;
  readonly wall: readonly number[];
  /** By the GPU's own clock. */
  readonly onGpu: readonly number[];
}

type Device = 'cpu' | 'gpu' | 'auto';

const newOptimizer = (device: Device): SGD => new SGD(0.01, { momentum: 0.9, device });

function treesOf(elements: number): [Tensor[], Tensor[]] {
  const parameters = [zeros(elements)];
  const gradients = zerosLike(parameters);
  parameters[0].data.fill(1);
  gradients[0].data.fill(1e-3);
  return [parameters, gradients];
}

/** Of each of `count` steps, after some that warm up. */
function stepTimes(device: Device, elements: number, count: number): { wall: number[]; onGpu: number[] } {
  const [parameters, gradients] = treesOf(elements);
  const optimizer = newOptimizer(device);
  for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
  const onGpu: number[] = [];
  const wall = Array.from({ length: count }, () => {
    const start = performance.now();
    optimizer.update(parameters, gradients);
    const took = performance.now() - start;
    onGpu.push(1000 * (optimizer.lastRun?.gpuSeconds ?? NaN));
    return took;
  });
  return { wall, onGpu };
}

function firstStep(): number {
  const [parameters, gradients] = treesOf(8);
  const start = performance.now();
  newOptimizer('gpu').update(parameters, gradients);
  return performance.now() - start;
}

/** The least power of two of elements that `auto` gives to the GPU. */
function crossoverUpTo(most: number): number | null {
  for (let elements = 4096; elements <= most; elements *= 2) {
    const [parameters, gradients] = treesOf(elements);
    const optimizer = newOptimizer('auto');
    optimizer.update(parameters, gradients);
    if (optimizer.lastRun?.device === 'gpu') return elements;
  }
  return null;
}

const { sizes, steps, smallSteps, most } = given() as GpuGiven;
delete process.env['METAL_SGD_DEVICE']; // it would decide where `auto` runs
const first = firstStep();
const small = { cpu: stepTimes('cpu', 64, smallSteps).wall, gpu: stepTimes('gpu', 64, smallSteps).wall };
const large = sizes.map((elements): Large => ({ elements, ...stepTimes('gpu', elements, steps) }));
answer({ first, small, large, crossover: crossoverUpTo(most) } satisfies GpuFound);
