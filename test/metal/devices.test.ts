// Which devices there are, and which one steps run on: machines of all kinds, each in a process of its own.
import { type Lab, resultOf } from '../helpers/child';
import type { Failure } from '../helpers/failures';
import type { Device, LastRun } from '../../lib';
import { WITHOUT_NORM } from '../helpers/lastRun';
import type { SimulatorSettings } from '../helpers/simulator';

interface Found {
  readonly devices: readonly Device[];
  readonly gpu: { readonly failure?: Failure; readonly lastRun?: LastRun; readonly w?: number };
  readonly auto: { readonly lastRun: LastRun | null; readonly w: number };
}

/** What devices() lists, and one step of w = 0, g = 1 on 'gpu' and on 'auto'. */
function look({ sgd }: Lab): Found {
  const step = (device: 'gpu' | 'auto'): { lastRun: LastRun | null; w: number } => {
    const parameter = sgd.zeros(50);
    const gradient = sgd.zerosLike(parameter);
    gradient.data.fill(1);
    const optimizer = new sgd.SGD(1, { device });
    optimizer.update([parameter], [gradient]);
    return { lastRun: optimizer.lastRun ?? null, w: parameter.data[49] };
  };
  const tryGpu = (): Found['gpu'] => {
    try {
      return step('gpu') as Found['gpu'];
    } catch (error) {
      const { name, code, message } = error as Failure;
      return { failure: { name, code, message } };
    }
  };
  return { devices: sgd.devices(), gpu: tryGpu(), auto: step('auto') };
}

const lookAt = (settings: SimulatorSettings, env: Record<string, string> = { METAL_SGD_DEVICE: '' }): Found =>
  resultOf(look, undefined, { env: { METAL_SIM: JSON.stringify(settings), ...env } });

const names = ({ devices }: Found): string[] => devices.map(({ type, name }) => `${type} ${name}`);

const gpuSeconds: unknown = expect.any(Number);
const onGpu = {
  lastRun: {
    device: 'gpu',
    reason: "device is 'gpu'",
    copiedBytes: 0,
    gpuSeconds,
    ...WITHOUT_NORM,
  },
  w: -1,
};

const small = {
  lastRun: {
    device: 'cpu',
    reason: 'steps that move less than 8 MiB never wake the GPU',
    copiedBytes: 0,
    gpuSeconds: 0,
    ...WITHOUT_NORM,
  },
  w: -1,
};

test.each([
  ['paravirtual', 'Apple Paravirtual device', 3758096384, 5010800640],
  ['m1', 'Apple M1', 8589934592, 11453251584],
  ['m2', 'Apple M2', 8589934592, 11453251584],
  ['m3', 'Apple M3', 9534832640, 12713115648],
  ['m4', 'Apple M4', 9534832640, 12713115648],
] as const)('%s runs steps, and is described', (profile, name, maxBufferLength, recommendedWorkingSet) => {
  const found = lookAt({ devices: profile });
  expect(found.devices).toEqual([
    { type: 'gpu', name, unifiedMemory: true, maxBufferLength, recommendedWorkingSet },
    {
      type: 'cpu',
      name: process.arch,
      instructionSet: expect.any(String) as string,
      threads: expect.any(Number) as number,
    },
  ]);
  expect(found.gpu).toEqual(onGpu);
  expect(found.auto).toEqual(small);
});

test('a GPU with its own memory runs steps and reports it', () => {
  const found = lookAt({ unifiedMemory: false, maxBufferLength: 2 ** 28, recommendedMaxWorkingSetSize: 2 ** 31 });
  expect(found.devices[0]).toEqual({
    type: 'gpu',
    name: 'Apple M1',
    unifiedMemory: false,
    maxBufferLength: 2 ** 28,
    recommendedWorkingSet: 2 ** 31,
  });
  expect(found.gpu).toEqual(onGpu);
});

test('the default device comes first of several and runs the steps', () => {
  const found = lookAt({ devices: ['m2', 'm4', 'paravirtual'] });
  expect(names(found)).toEqual(['gpu Apple M2', 'gpu Apple M4', 'gpu Apple Paravirtual device', `cpu ${process.arch}`]);
  expect(found.gpu).toEqual(onGpu);
});

test('the first device runs the steps if there is no default one', () => {
  const found = lookAt({ devices: ['m3', 'm1'], defaultDevice: false });
  expect(names(found)).toEqual(['gpu Apple M3', 'gpu Apple M1', `cpu ${process.arch}`]);
  expect(found.gpu).toEqual(onGpu);
});

describe('without a GPU', () => {
  const noGpu = (asked: string): Failure => ({
    name: 'Error',
    code: 'no-gpu',
    message:
      `device: expected a GPU, since ${asked}, received none: Metal has no device; ` +
      `devices() saw cpu ${process.arch}`,
  });

  test("device 'gpu' fails with the reason, and 'auto' runs on the CPU and reports it", () => {
    const found = lookAt({ devices: [] });
    expect(names(found)).toEqual([`cpu ${process.arch}`]);
    expect(found.gpu).toEqual({ failure: noGpu("device is 'gpu'") });
    const lastRun = {
      device: 'cpu',
      reason: 'no GPU: Metal has no device',
      copiedBytes: 0,
      gpuSeconds: 0,
      ...WITHOUT_NORM,
    };
    expect(found.auto).toEqual({ lastRun, w: -1 });
  });

  test('the error names METAL_SGD_DEVICE=gpu', () => {
    const construct = ({ sgd }: Lab): Failure | string => {
      try {
        return new sgd.SGD(1).device;
      } catch (error) {
        const { name, code, message } = error as Failure;
        return { name, code, message };
      }
    };
    const env = { METAL_SIM: '{"devices": []}', METAL_SGD_DEVICE: 'gpu' };
    expect(resultOf(construct, undefined, { env })).toEqual(noGpu("METAL_SGD_DEVICE is 'gpu'"));
  });

  test('the CPU keeps subnormals, as without Metal', () => {
    const halve = ({ sgd }: Lab): number => {
      const parameters = Float32Array.of(2 ** -126);
      new sgd.SGD(1).update([parameters], [Float32Array.of(2 ** -127)]);
      return parameters[0];
    };
    const run = (settings: SimulatorSettings): number =>
      resultOf(halve, undefined, { env: { METAL_SIM: JSON.stringify(settings), METAL_SGD_DEVICE: '' } });
    expect(run({ devices: [] })).toBe(2 ** -127);
    expect(run({ devices: 'm1' })).toBe(2 ** -126);
  });
});

test("METAL_SGD_DEVICE=cpu never touches Metal, and device: 'gpu' overrides it", () => {
  const counted = ({ sgd, simulator }: Lab): unknown[] => {
    const parameter = sgd.zeros(2 ** 18);
    const gradient = sgd.zerosLike(parameter);
    return (['auto', 'gpu'] as const).map((device) => {
      new sgd.SGD(1, { device }).update([parameter], [gradient]);
      return device === 'auto' ? simulator.counters() : simulator.counters().libraries;
    });
  };
  expect(resultOf(counted, undefined, { env: { METAL_SGD_DEVICE: 'cpu' } })).toEqual([expect.any(Object), 1]);
  const [onCpu] = resultOf(counted, undefined, { env: { METAL_SGD_DEVICE: 'cpu' } }) as [Record<string, unknown>];
  const { live, ...calls } = onCpu;
  expect(live).toBeDefined();
  expect(Object.entries(calls).filter(([, count]) => count !== 0)).toEqual([]);
});

test('the system is asked for its GPUs once', () => {
  const asked = ({ sgd, simulator }: Lab): number[] =>
    [1, 2, 3].map(() => {
      new sgd.SGD(1, { device: 'auto' });
      sgd.devices();
      return simulator.counters().deviceQueries;
    });
  const [first, ...later] = resultOf(asked, undefined, { env: { METAL_SGD_DEVICE: '' } });
  expect(first).toBeGreaterThan(0);
  expect(later).toEqual([first, first]);
});
