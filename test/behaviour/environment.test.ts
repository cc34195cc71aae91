// Environment variables, and what importing the package does and doesn't: each in a process of its own.
import { type ChildOptions, type Lab, resultOf, runNode } from '../helpers/child';
import type { Failure } from '../helpers/failures';
import { WITHOUT_NORM } from '../helpers/lastRun';

/** The error that a constructor throws there. */
const constructing = ({ sgd }: Lab, device: 'auto' | 'cpu'): Failure | string => {
  try {
    return new sgd.SGD(0.1, { device }).device;
  } catch (error) {
    const { name, code, message } = error as Failure;
    return { name, code, message };
  }
};

const construct = (env: ChildOptions['env'], device: 'auto' | 'cpu' = 'auto'): unknown =>
  resultOf(constructing, device, env && { env });

describe('METAL_SGD_DEVICE', () => {
  const lastRun = ({ sgd }: Lab, device: 'auto' | 'cpu'): unknown => {
    const optimizer = new sgd.SGD(0.1, { device });
    optimizer.update(new Float32Array(1), new Float32Array(1));
    return optimizer.lastRun;
  };

  test("replaces 'auto'", () => {
    const run = resultOf(lastRun, 'auto', { env: { METAL_SGD_DEVICE: 'cpu' } });
    expect(run).toEqual({
      device: 'cpu',
      reason: "METAL_SGD_DEVICE is 'cpu'",
      copiedBytes: 0,
      gpuSeconds: 0,
      ...WITHOUT_NORM,
    });
  });

  test('does not replace another choice', () => {
    const run = resultOf(lastRun, 'cpu', { env: { METAL_SGD_DEVICE: 'gpu' } });
    expect(run).toEqual({ device: 'cpu', reason: "device is 'cpu'", copiedBytes: 0, gpuSeconds: 0, ...WITHOUT_NORM });
  });

  test('is ignored when it is empty', () => {
    expect(construct({ METAL_SGD_DEVICE: '' })).toBe('auto');
  });

  test('a wrong value lists the right ones', () => {
    expect(construct({ METAL_SGD_DEVICE: 'cuda' })).toEqual({
      name: 'RangeError',
      code: 'invalid-option',
      message: 'METAL_SGD_DEVICE: expected auto, gpu, cpu, received "cuda"',
    });
  });
});

describe('METAL_SGD_THREADS', () => {
  const threads = ({ sgd }: Lab): unknown => {
    const parameters = new Float32Array(3_000_001);
    new sgd.SGD(1).update(
      parameters,
      parameters.map((_, i) => i),
    );
    const cpu = sgd.devices().find((device) => device.type === 'cpu');
    return { threads: cpu?.threads, right: parameters.every((w, i) => w + i === 0) };
  };

  test.each([1, 2, 5])('%i threads share a step', (count) => {
    const env = { METAL_SGD_THREADS: String(count), METAL_SGD_DEVICE: 'cpu' };
    expect(resultOf(threads, undefined, { env })).toEqual({ threads: count, right: true });
  });

  test.each(['0', '-1', '1.5', 'many', '1025', ' 2', '0x2', '1e2'])('%j is refused', (value) => {
    expect(construct({ METAL_SGD_THREADS: value })).toEqual({
      name: 'RangeError',
      code: 'invalid-option',
      message: `METAL_SGD_THREADS: expected a whole number from 1 to 1024, received ${JSON.stringify(value)}`,
    });
  });
});

test('CommonJS and ES modules share one instance', () => {
  const script = `
    import { createRequire } from 'node:module';
    import * as esm from 'metal-sgd';
    const cjs = createRequire(process.cwd() + '/')('metal-sgd');
    const names = Object.keys(cjs);
    console.log(names.length > 8 && names.every((name) => esm[name] === cjs[name]), esm.SGD === cjs.SGD);`;
  const { stdout, stderr } = runNode(['--input-type=module', '-e', script]);
  expect(stdout + stderr).toBe('true true\n');
});

test('importing the package, and using its schedules, loads neither the addon nor Metal', () => {
  const body = ({ sgd }: Lab): unknown => {
    const rate = sgd.linearSchedule(0, 1, 4)(1);
    const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
    return { rate, loaded: sharedObjects.filter((name) => /\.node$|Metal\.framework/.test(name)) };
  };
  const env = { METAL_SGD_PREBUILD: '/no/such/folder' };
  expect(resultOf(body, undefined, { env })).toEqual({ rate: 0.25, loaded: [] });
});
