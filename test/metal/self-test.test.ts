// A GPU that does not compute as the CPU does: refused, with the first value that differs.
import { type Lab, resultOf } from '../helpers/child';
import type { Failure } from '../helpers/failures';
import type { Dtype } from '../../lib/tree/dtype';
import { WITHOUT_NORM } from '../helpers/lastRun';
import type { Counters, SimulatorSettings } from '../helpers/simulator';

interface Told {
  readonly failures: readonly (Failure | null)[];
  readonly runs: readonly unknown[];
  readonly values: readonly number[];
  readonly steps: number;
  readonly counters: Counters;
}

interface Asked {
  readonly device: 'gpu' | 'auto';
  readonly dtype: Dtype;
  readonly length: number;
}

/** Two steps of w = 0, g = -1 at a learning rate of 1, and what became of them. Under 'auto' those at which the GPU is tried. */
async function twoSteps({ sgd, simulator }: Lab, { device, dtype, length }: Asked): Promise<Told> {
  const parameters = sgd.zeros(length, dtype);
  const gradients = sgd.zerosLike(parameters);
  gradients.data.fill(dtype === 'float32' ? -1 : dtype === 'float16' ? 0xbc00 : 0xbf80);
  const optimizer = new sgd.SGD(0, { device });
  for (let i = 0; device === 'auto' && i < 4; i++) optimizer.update([parameters], [gradients]);
  const before = optimizer.step;
  optimizer.learningRate = 1;
  const runs: unknown[] = [];
  const failures: (Failure | null)[] = [];
  for (const way of ['update', 'updateAsync'] as const) {
    try {
      await optimizer[way]([parameters], [gradients]);
      failures.push(null);
    } catch (error) {
      const { name, code, message } = error as Failure;
      failures.push({ name, code, message });
    }
    runs.push(optimizer.lastRun);
  }
  const values = [...new Set<number>(parameters.data)];
  return { failures, runs, values, steps: optimizer.step - before, counters: simulator.counters() };
}

const BIG = 2 ** 16;
/** So many that 'auto' may take the GPU. */
const HUGE = 2 ** 20;

function ask(settings: SimulatorSettings, asked: Partial<Asked>): Told {
  const env = { METAL_SIM: JSON.stringify(settings), METAL_SGD_DEVICE: '' };
  return resultOf(twoSteps, { device: 'gpu', dtype: 'float32', length: BIG, ...asked }, { env });
}

const FUSED: SimulatorSettings = { contract: true };
const KEEPING: SimulatorSettings = { flushSubnormals: false };

/** GPUs with other bits where float32 subnormals are, and nowhere else; and the dtypes that shows in. */
const INEXACT: [string, SimulatorSettings, readonly Dtype[]][] = [
  ['keeps subnormals', KEEPING, ['float32', 'bfloat16']],
  ['drops the sign of what it flushes', { positiveZero: true }, ['float32', 'bfloat16']],
  ['flushes before it rounds', { flushBeforeRounding: true }, ['float32']],
  ['does both', { positiveZero: true, flushBeforeRounding: true }, ['float32', 'bfloat16']],
];

const BITS = 'of element \\d+: expected bits 0x[0-9a-f]+, received 0x[0-9a-f]+';

describe('a GPU that fuses a * b + c', () => {
  test.each(['float32', 'float16', 'bfloat16'] as const)("makes device 'gpu' fail for %s, from then on", (dtype) => {
    const { failures, values, steps, counters } = ask(FUSED, { dtype });
    for (const failed of failures) {
      expect(failed).toMatchObject({ name: 'MetalError', code: 'self-test' });
      expect(failed?.message).toMatch(
        new RegExp(
          `^this GPU does not compute ${dtype} as the CPU does \\((parameter|velocity) ${BITS}\\); nothing was written$`,
        ),
      );
    }
    expect(failures[0]).toEqual(failures[1]);
    expect({ values, steps }).toEqual({ values: [0], steps: 0 });
    // The second call did not ask the GPU again.
    expect(counters.commits).toBeLessThanOrEqual(10);
  });

  test("makes device 'auto' use the CPU and report the reason", () => {
    const { failures, runs, values, steps } = ask(FUSED, { device: 'auto', length: HUGE });
    expect(failures).toEqual([null, null]);
    const run = {
      device: 'cpu',
      reason: expect.stringMatching(/refused: its compiler or its self-test failed/) as string,
    };
    expect(runs).toEqual([expect.objectContaining(run), expect.objectContaining(run)]);
    expect({ values, steps }).toEqual({ values: [2], steps: 2 });
  });
});

describe.each(INEXACT)('a GPU that %s', (_, settings, dtypes) => {
  test.each(['float32', 'float16', 'bfloat16'] as const)("steps %s for device 'gpu', and says so", (dtype) => {
    const { failures, values, runs } = ask(settings, { dtype });
    const reason = dtypes.includes(dtype)
      ? "device is 'gpu'; it has other bits than the CPU where float32 subnormals are, and no others"
      : "device is 'gpu'";
    expect(failures).toEqual([null, null]);
    expect(values).toEqual([dtype === 'float32' ? 2 : 0x4000]);
    for (const run of runs) expect(run).toMatchObject({ device: 'gpu', reason });
  });

  test("is left alone by device 'auto', whose bits are the CPU's", () => {
    const { failures, values, runs } = ask(settings, { device: 'auto', length: HUGE });
    const reason =
      "this GPU has other bits than the CPU where float32 subnormals are; device: 'gpu' uses it all the same";
    expect({ failures, values }).toEqual({ failures: [null, null], values: [2] });
    for (const run of runs) expect(run).toMatchObject({ device: 'cpu', reason });
  });
});

test('a GPU that fuses and keeps subnormals is refused all the same', () => {
  const { failures } = ask({ ...FUSED, ...KEEPING }, {});
  expect(failures).toEqual([
    expect.objectContaining({ code: 'self-test' }),
    expect.objectContaining({ code: 'self-test' }),
  ]);
});

test('a small step under auto does not touch the GPU', () => {
  const { runs, counters } = ask(FUSED, { device: 'auto', length: 100 });
  expect(runs[0]).toEqual({
    device: 'cpu',
    reason: 'steps that move less than 8 MiB never wake the GPU',
    copiedBytes: 0,
    gpuSeconds: 0,
    ...WITHOUT_NORM,
  });
  expect(counters).toMatchObject({ libraries: 0, commandQueues: 0, buffersWrapped: 0 });
});

describe('a compiler that fails', () => {
  const failing: SimulatorSettings = {
    faults: [{ at: 'newLibraryWithSource', count: -1, message: 'program_source:3:9: error: nonsense' }],
  };

  test("makes device 'gpu' fail with Metal's own message", () => {
    const { failures, values, steps } = ask(failing, {});
    const failed = {
      name: 'MetalError',
      code: 'compile',
      message: 'program_source:3:9: error: nonsense; nothing was written',
    };
    expect({ failures, values, steps }).toEqual({ failures: [failed, failed], values: [0], steps: 0 });
  });

  test("makes device 'auto' use the CPU and report the reason", () => {
    const { failures, runs, values } = ask(failing, { device: 'auto', length: HUGE });
    expect(failures).toEqual([null, null]);
    expect(runs[1]).toMatchObject({ device: 'cpu', reason: expect.stringContaining('its compiler') as string });
    expect(values).toEqual([2]);
  });
});

test('the self-test runs once for each dtype, at its first step', () => {
  const rounds = ({ sgd, simulator }: Lab): number[] => {
    const commits = (['float32', 'float32', 'float16', 'bfloat16', 'float16'] as const).map((dtype) => {
      const parameters = sgd.zeros(10, dtype);
      new sgd.SGD(1, { device: 'gpu' }).update([parameters], [sgd.zerosLike(parameters)]);
      return simulator.counters().commits;
    });
    return commits.map((count, i) => count - (i > 0 ? commits[i - 1] : 0));
  };
  const [first, second, third, fourth, fifth] = resultOf(rounds);
  expect([second, fifth]).toEqual([1, 1]);
  for (const proving of [first, third, fourth]) expect(proving).toBeGreaterThan(5);
});
