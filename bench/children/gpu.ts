// Measures a GPU: bytes per second, beside a kernel that only moves as many bytes; the cost of a tiny step; the first step;
// the crossover. Times are milliseconds.
import { setTimeout as sleep } from 'node:timers/promises';
import { SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';
import { Program } from '../program';
import { KERNEL } from '../stream';
import { messageOf } from '../errors';

export interface GpuGiven {
  /** Elements of the large steps, and the most that the crossover is looked for at. */
  readonly sizes: readonly number[];
  readonly steps: number;
  readonly smallSteps: number;
  readonly most: number;
  /** The streaming kernel's program, if there is one. */
  readonly stream?: string | undefined;
  /** True: times the large steps on the CPU too. */
  readonly onCpu?: boolean;
  /** Rests before steps of the largest size, in milliseconds; none if left out. */
  readonly rests?: readonly number[];
}

export interface GpuFound {
  readonly first: number;
  readonly small: Readonly<Record<'cpu' | 'gpu', readonly number[]>>;
  /** Elements of the small steps. */
  readonly smallElements: number;
  /** Elements; null if the CPU is faster everywhere up to the most. */
  readonly crossover: number | null;
  readonly large: readonly Large[];
  /** Milliseconds of steps after each of the rests. */
  readonly rested: readonly { readonly rest: number; readonly wall: readonly number[] }[];
  /** Why nothing was measured of the streaming kernel, where it failed. */
  readonly problem?: string;
}

/** Of each step. */
export interface Times {
  readonly wall: readonly number[];
  /** By the GPU's own clock. */
  readonly onGpu: readonly number[];
}

interface Large extends Times {
  readonly elements: number;
  /** Wall times on the CPU, if asked for. */
  readonly cpu?: readonly number[];
  /** The streaming kernel's, measured in turn. */
  readonly stream?: Times;
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

/** Takes `count` steps, after some that warmed up. */
function stepper(device: Device, elements: number): (count: number) => Times {
  const [parameters, gradients] = treesOf(elements);
  const optimizer = newOptimizer(device);
  const step = (): { wall: number; onGpu: number } => {
    const start = performance.now();
    optimizer.update(parameters, gradients);
    return { wall: performance.now() - start, onGpu: 1000 * (optimizer.lastRun?.gpuSeconds ?? NaN) };
  };
  for (let i = 0; i < 3; i++) step();
  return (count) =>
    joined(Array.from({ length: count }, step).map(({ wall, onGpu }) => ({ wall: [wall], onGpu: [onGpu] })));
}

const joined = (times: readonly Times[]): Times => ({
  wall: times.flatMap(({ wall }) => wall),
  onGpu: times.flatMap(({ onGpu }) => onGpu),
});

/** The same of the streaming kernel. */
async function streamer(program: Program, elements: number): Promise<(count: number) => Promise<Times>> {
  const opened = await program.ask(`open ${String(elements)}`);
  if (opened !== 'ok') throw new Error(`the streaming kernel: ${opened}`);
  return async (count) => {
    const nanoseconds = (await program.ask(`time ${String(count)}`)).trim().split(' ').map(Number);
    const at = (place: number): number[] => nanoseconds.filter((_, i) => i % 2 === place).map((one) => one / 1e6);
    return { onGpu: at(0), wall: at(1) };
  };
}

/** Both in turn, a few steps at a time, so that what the machine does meanwhile meets both. */
async function measureLarge(elements: number, steps: number, program: Program | undefined): Promise<Large> {
  const own = stepper('gpu', elements);
  if (!program) return { elements, ...own(steps) };
  const baseline = await streamer(program, elements);
  const turns: { own: Times; baseline: Times }[] = [];
  for (let i = 0; i < steps; i += TURN) turns.push({ own: own(TURN), baseline: await baseline(TURN) });
  if ((await program.ask('right')) !== '1') throw new Error('the streaming kernel computed something else');
  return { elements, ...joined(turns.map((turn) => turn.own)), stream: joined(turns.map((turn) => turn.baseline)) };
}

const TURN = 5;
const RESTED_STEPS = 5;

/** Steps after rests: a GPU that idles slows down, and its memory is unwired after about a second. */
async function measureRests(elements: number, rests: readonly number[]): Promise<GpuFound['rested']> {
  const step = stepper('gpu', elements);
  const rested: { rest: number; wall: number[] }[] = [];
  for (const rest of rests) {
    const wall: number[] = [];
    for (let i = 0; i < RESTED_STEPS; i++) {
      if (rest > 0) await sleep(rest);
      wall.push(...step(1).wall);
    }
    rested.push({ rest, wall });
  }
  return rested;
}

function firstStep(): number {
  const [parameters, gradients] = treesOf(8);
  const start = performance.now();
  newOptimizer('gpu').update(parameters, gradients);
  return performance.now() - start;
}

/** Steps of `auto` after which it has timed both devices. */
const UNTIL_CHOSEN = 9;

/** The least power of two of elements that `auto` gives to the GPU. */
function crossoverUpTo(most: number): number | null {
  for (let elements = 4096; elements <= most; elements *= 2) {
    const [parameters, gradients] = treesOf(elements);
    const optimizer = newOptimizer('auto');
    for (let i = 0; i < UNTIL_CHOSEN; i++) optimizer.update(parameters, gradients);
    if (optimizer.lastRun?.device === 'gpu') return elements;
  }
  return null;
}

const SMALL = 64;

async function main({
  sizes,
  steps,
  smallSteps,
  most,
  stream,
  onCpu = false,
  rests = [],
}: GpuGiven): Promise<GpuFound> {
  delete process.env['METAL_SGD_DEVICE']; // it would decide where `auto` runs
  const first = firstStep();
  const small = { cpu: stepper('cpu', SMALL)(smallSteps).wall, gpu: stepper('gpu', SMALL)(smallSteps).wall };
  const rested = await measureRests(sizes.at(-1) ?? SMALL, rests);
  const found = { first, small, smallElements: SMALL, crossover: crossoverUpTo(most), rested };
  const cpu = (elements: number): Pick<Large, 'cpu'> => (onCpu ? { cpu: stepper('cpu', elements)(steps).wall } : {});
  try {
    const program = stream === undefined ? undefined : await Program.start(stream, [KERNEL]);
    const large: Large[] = [];
    for (const elements of sizes) large.push({ ...(await measureLarge(elements, steps, program)), ...cpu(elements) });
    await program?.end();
    return { ...found, large };
  } catch (error) {
    const large = sizes.map((elements) => ({ elements, ...stepper('gpu', elements)(steps), ...cpu(elements) }));
    return { ...found, large, problem: messageOf(error) };
  }
}

void main(given() as GpuGiven).then(answer);
