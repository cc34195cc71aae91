// Steps that are more than plain, on the GPU: bits as on the CPU, and what they cost in Metal's calls.
import { NativeStep, type Plan, randomStep, type Settings } from '../helpers/nativeStep';
import { countedIn, resetSimulatorAfterEach, simulator } from '../helpers/simulator';
import type { SimulatorSettings } from '../helpers/simulator';

resetSimulatorAfterEach();

const SEEDS = 60;

/** Where a random step on the GPU differs from the same one on the CPU. */
function differenceOf(seed: number): string | undefined {
  const { plan, settings } = randomStep(seed);
  const [cpu, gpu] = (['cpu', 'gpu'] as const).map(
    (target) => new NativeStep(plan, settings, target, seed, seed % 3 === 0),
  );
  for (let i = 0; i < 3; i++) {
    cpu.run();
    gpu.run();
    const difference = gpu.differenceFrom(cpu);
    if (difference !== undefined) return `seed ${String(seed)}, step ${String(i)}: ${difference}`;
    for (const step of [cpu, gpu]) step.writeParameter();
  }
  cpu.release();
  gpu.release();
  return undefined;
}

/** Flushes as the CPU does, also where tests run as a Mac's GPU may flush. */
const AS_CPU: SimulatorSettings = { positiveZero: false, flushBeforeRounding: false };

const DEVICES: Record<string, SimulatorSettings> = {
  'an ordinary GPU': {},
  'a GPU with short buffers': { maxBufferLength: 16384 },
  'a GPU that takes few threads a group': { maxTotalThreadsPerThreadgroup: 96, outOfOrder: true },
};

describe.each(Object.keys(DEVICES))('on %s', (name) => {
  test.each([0, 1, 2, 3])('random steps have the bits of the CPU (%i)', (round) => {
    simulator().configure({ ...AS_CPU, ...DEVICES[name] });
    const differences = Array.from({ length: SEEDS }, (_, i) => differenceOf(round * SEEDS + i));
    expect(differences.filter((difference) => difference !== undefined)).toEqual([]);
  });
});

/** What the third step of a plan costs. */
async function costOf(plan: Plan, settings: Settings): Promise<Record<string, number>> {
  const step = new NativeStep(plan, settings, 'gpu', 1);
  step.run();
  step.run();
  const counters = await countedIn(() => step.run());
  step.release();
  const { commits, dispatches, barriers, buffersAllocated, buffersWrapped } = counters;
  return { commits, dispatches, barriers, made: buffersAllocated + buffersWrapped };
}

const LEAVES: Plan = { dtype: 'float32', sizes: [128, 200, 1000], gradients: ['float32'], velocity: true };
const MOMENTUM: Settings = { momentum: 0.9 };

describe('a step costs', () => {
  const one = { commits: 1, dispatches: 1, barriers: 0, made: 0 };

  test('one dispatch for leaves of several groups', async () => {
    expect(await costOf({ ...LEAVES, groups: [0, 1, 0] }, { momentum: [0.9, 0.5] })).toEqual(one);
  });

  test('one dispatch with factors, a master and an average', async () => {
    const plan: Plan = { ...LEAVES, dtype: 'bfloat16', gradients: ['float32'], master: true, average: true };
    expect(await costOf(plan, { ...MOMENTUM, gradientScale: 0.5, clipValue: 1 })).toEqual(one);
  });

  test.each([
    [2, 1],
    [16, 1],
    [17, 2],
    [33, 3],
  ])('for the mean of %i gradients %i dispatches more, each with a barrier', async (count, sums) => {
    const plan: Plan = { ...LEAVES, gradients: Array.from({ length: count }, () => 'float32' as const) };
    const cost = { commits: 1, dispatches: sums + 1, barriers: sums, made: 0 };
    expect(await costOf(plan, { ...MOMENTUM, divisor: count })).toEqual(cost);
  });

  test('one barrier for the sums of leaves that lie apart', async () => {
    const plan: Plan = { ...LEAVES, gradients: ['float32', 'float32'], memory: 'heap' };
    expect(await costOf(plan, { ...MOMENTUM, divisor: 2 })).toEqual({
      commits: 1,
      dispatches: 6,
      barriers: 1,
      made: 0,
    });
  });

  test('a dispatch more where 4096 bytes do not hold the groups', async () => {
    const sizes = Array.from({ length: 200 }, () => 64);
    const plan: Plan = { ...LEAVES, sizes, groups: sizes.map((_, i) => i) };
    expect(await costOf(plan, MOMENTUM)).toEqual({ ...one, dispatches: 2 });
    const rates: Settings = { ...MOMENTUM, learningRate: sizes.map((_, i) => i / 100) };
    const [cpu, gpu] = (['cpu', 'gpu'] as const).map((target) => new NativeStep(plan, rates, target, 1));
    cpu.run();
    gpu.run();
    expect(gpu.differenceFrom(cpu)).toBeUndefined();
  });
});

test('a plan without memory for its sum fails before anything is written', () => {
  const plan: Plan = { ...LEAVES, gradients: ['float32', 'float32'] };
  simulator().configure({ faults: [{ at: 'newBufferWithLength' }] });
  let failure: unknown;
  try {
    new NativeStep(plan, { ...MOMENTUM, divisor: 2 }, 'gpu', 1);
  } catch (error) {
    failure = error;
  }
  expect(failure).toMatchObject({ code: 'out-of-memory', message: 'Metal made no sum buffer; nothing was written' });
});
