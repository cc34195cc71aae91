// A GPU that is wrong in steps that are more than plain, or in division alone, still takes the others.
import { type Lab, resultOf } from '../helpers/child';
import type { SimulatorClock, SimulatorSettings } from '../helpers/simulator';
import type { Tensor } from '../../lib';
import type { Dtype } from '../../lib/tree/dtype';

type Way = 'plain' | 'maximize' | 'mean of 4' | 'mean of 3';
interface Stepped {
  readonly device: string | undefined;
  readonly reason: string | undefined;
  readonly code?: string;
  readonly message?: string;
  /** The parameter's first element. */
  readonly first: number;
  readonly commits: number;
}
type Told = Record<Way, Stepped>;

/** Of a GPU that 'auto' takes. */
const FAST: SimulatorClock = { speed: 4 };

interface Asked {
  readonly device: 'gpu' | 'auto';
  readonly dtype: Dtype;
}

/** One step of each way from w = 0, then a plain one. Under 'auto', steps of nothing come before it, until the GPU is tried. */
function stepEachWay({ sgd, simulator }: Lab, { device, dtype }: Asked): Told {
  const { SGD, meanOf, zeros, zerosLike } = sgd;
  const length = device === 'auto' ? 2 ** 20 : 2 ** 18;
  const told: Partial<Told> = {};
  const step = (way: Way, maximize: boolean, count: number): void => {
    const parameter: Tensor = zeros(length, dtype);
    const gradient = zerosLike(parameter);
    gradient.data.fill(dtype === 'float32' ? 1 : dtype === 'float16' ? 0x3c00 : 0x3f80);
    const trees = Array.from({ length: count }, (): [Tensor] => [gradient]);
    const optimizer = new SGD(0, { device, maximize });
    const take = (): void => {
      if (count === 1) optimizer.update([parameter], [gradient]);
      else optimizer.update([parameter], meanOf(...trees));
    };
    for (let i = 0; device === 'auto' && i < 4; i++) take();
    optimizer.learningRate = 1;
    const before = simulator.counters().commits;
    let failure: Pick<Stepped, 'code' | 'message'> = {};
    try {
      take();
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      failure = { code, message };
    }
    const { device: ran, reason } = optimizer.lastRun ?? {};
    const commits = simulator.counters().commits - before;
    told[way] = { device: ran, reason, ...failure, first: parameter.data[0], commits };
  };
  step('maximize', true, 1);
  step('mean of 4', false, 4);
  step('mean of 3', false, 3);
  step('mean of 3', false, 3);
  step('plain', false, 1);
  return told as Told;
}

function ask(settings: SimulatorSettings, asked: Partial<Asked>): Told {
  const env = { METAL_SIM: JSON.stringify({ clock: FAST, ...settings }), METAL_SGD_DEVICE: '', METAL_SGD_THREADS: '1' };
  return resultOf(stepEachWay, { device: 'gpu', dtype: 'float32', ...asked }, { env });
}

const FUSED: SimulatorSettings = { contract: true, contractOnly: 'step_general' };
const NO_DIVISION: SimulatorSettings = { reciprocalDivision: true };
const DTYPES = ['float32', 'float16', 'bfloat16'] as const;
const ONE: Record<Dtype, number> = { float32: 1, float64: 1, float16: 0x3c00, bfloat16: 0x3f80 };
const MINUS_ONE: Record<Dtype, number> = { float32: -1, float64: -1, float16: 0xbc00, bfloat16: 0xbf80 };
const refusal = (dtype: Dtype, what: string): unknown => ({
  code: 'self-test',
  message: expect.stringMatching(
    new RegExp(
      `^this GPU does not compute ${dtype} ${what} as the CPU does \\((parameter|velocity|master|average) of element .*\\); nothing was written$`,
    ),
  ) as string,
  first: 0,
});

describe.each(DTYPES)("device 'gpu' in %s", (dtype) => {
  const ran = { device: 'gpu', first: MINUS_ONE[dtype] };

  test('steps in every way on a GPU that computes as the CPU does', () => {
    const told = ask({}, { dtype });
    expect(told).toMatchObject({ plain: ran, 'mean of 4': ran, 'mean of 3': ran });
    expect(told.maximize).toMatchObject({ device: 'gpu', first: ONE[dtype] });
    // The proof runs once.
    expect(told['mean of 3'].commits).toBe(1);
    expect(told['plain'].commits).toBe(1);
  });

  test('refuses all but plain steps where others fuse a * b + c', () => {
    const told = ask(FUSED, { dtype });
    const refused = refusal(dtype, 'steps that are not plain');
    expect(told).toMatchObject({ plain: ran, maximize: refused, 'mean of 4': refused, 'mean of 3': refused });
    expect(told['mean of 3'].commits).toBe(0);
  });

  test('refuses means alone whose number is no power of two where a / b is a * (1 / b)', () => {
    const told = ask(NO_DIVISION, { dtype });
    const refused = refusal(dtype, 'means of that many gradients');
    expect(told).toMatchObject({ plain: ran, 'mean of 4': ran, 'mean of 3': refused });
    expect(told.maximize).toMatchObject({ device: 'gpu', first: ONE[dtype] });
  });
});

describe("device 'auto'", () => {
  const gpu = { device: 'gpu' };
  const cpu = { device: 'cpu', reason: expect.stringContaining('plain') as string, first: -1 };

  test('steps on a faster GPU in every way', () => {
    const told = ask({}, { device: 'auto' });
    expect(told).toMatchObject({ plain: gpu, maximize: gpu, 'mean of 4': gpu, 'mean of 3': gpu });
  });

  test('steps on the CPU, and says why, where the GPU is wrong', () => {
    const told = ask(FUSED, { device: 'auto' });
    expect(told).toMatchObject({ plain: gpu, maximize: { ...cpu, first: 1 }, 'mean of 4': cpu, 'mean of 3': cpu });
    expect(ask(NO_DIVISION, { device: 'auto' })).toMatchObject({
      plain: gpu,
      maximize: gpu,
      'mean of 4': gpu,
      'mean of 3': cpu,
    });
  });

  test('never tries a compiler again that failed on those steps', () => {
    const fault = { at: 'newLibraryWithSource', after: 1, count: 1, message: 'nonsense' } as const;
    const told = ask({ faults: [fault] }, { device: 'auto' });
    expect(told).toMatchObject({ plain: gpu, maximize: { ...cpu, first: 1 }, 'mean of 4': cpu });
  });
});

test('a GPU that keeps subnormals takes every step that is asked of it', () => {
  const told = ask({ flushSubnormals: false }, {});
  const inexact = { device: 'gpu', reason: expect.stringContaining('subnormals') as string };
  expect(told).toMatchObject({ plain: inexact, maximize: inexact, 'mean of 4': inexact, 'mean of 3': inexact });
});
