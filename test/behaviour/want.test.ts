// Want of memory and of threads, injected at each call of the addon that asks for some: an error with a code, nothing changed,
// and the next call works. Linux only, where a library can stand before the system's.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, runChild } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

/** What a child found of one method. */
interface Found {
  readonly codes: readonly unknown[];
  readonly wrong: readonly string[];
}

const newFolder = temporaryFolders();

function preloaded(): Record<string, string> {
  const library = join(newFolder(), 'faults.so');
  execFileSync('g++', ['-shared', '-fPIC', '-O1', join(ROOT, 'test', 'helpers', 'faults.cpp'), '-o', library, '-ldl']);
  return { LD_PRELOAD: library, METAL_SGD_THREADS: '2' };
}

describe('with no memory at the n-th request', () => {
  const env = preloaded();

  test.each(['update', 'applyGradients', 'updateAsync', 'devices'])('%s', (method) => {
    const { status, stderr, result } = runChild(
      async ({ sgd }, name): Promise<Found> => {
        const [codes, wrong]: [unknown[], string[]] = [[], []];
        sgd.zeros([1]); // loads the addon
        for (let nth = 1; nth < 500; nth++) {
          const parameters = sgd.zeros({ a: [40000], b: [3] });
          const gradients = sgd.zerosLike(parameters);
          gradients.a.data.fill(1);
          const optimizer = new sgd.SGD(1, { momentum: 0.5, device: 'cpu' });
          const calls: Record<string, () => unknown> = {
            update: () => {
              optimizer.update(parameters, gradients);
            },
            applyGradients: () => optimizer.applyGradients(gradients, parameters),
            updateAsync: () => optimizer.updateAsync(parameters, gradients),
            devices: () => sgd.devices(),
          };
          delete process.env['FAULT_FIRED'];
          process.env['FAULT_NEW'] = String(nth);
          let code: unknown = 'none';
          try {
            await calls[name]();
          } catch (error) {
            code = (error as { code?: unknown }).code;
          }
          delete process.env['FAULT_NEW'];
          if (process.env['FAULT_FIRED'] === undefined) break;
          codes.push(code);
          const stepped = code === 'none' && name.startsWith('update') ? -1 : 0;
          if (code !== 'none' && optimizer.step !== 0) wrong.push(`${String(nth)}: a step was counted`);
          if (parameters.a.data.some((value) => value !== stepped)) wrong.push(`${String(nth)}: parameters changed`);
          optimizer.update(parameters, gradients);
          const expected = optimizer.step === 2 ? (stepped === -1 ? -2.5 : -1.5) : -1;
          if (parameters.a.data[0] !== expected)
            wrong.push(`${String(nth)}: ${String(parameters.a.data[0])} afterwards`);
        }
        return { codes, wrong };
      },
      method,
      { env },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(result?.wrong).toEqual([]);
    expect(result?.codes.length).toBeGreaterThan(0);
    expect(result?.codes.filter((code) => code !== 'no-memory' && code !== 'none')).toEqual([]);
    expect(result?.codes).toContain('no-memory');
  });

  test('the first step of a process, which starts threads, neither ends it nor goes wrong', () => {
    const codes: unknown[] = [];
    for (let nth = 1; nth < 60; nth++) {
      const { status, stderr, result } = runChild(
        ({ sgd }, asked) => {
          const parameters = sgd.zeros([400000]);
          const gradients = sgd.zerosLike(parameters);
          gradients.data.fill(1);
          const optimizer = new sgd.SGD(1, { device: 'cpu' });
          process.env['FAULT_NEW'] = String(asked);
          let code: unknown = 'none';
          try {
            optimizer.update(parameters, gradients);
          } catch (error) {
            code = (error as { code?: unknown }).code;
          }
          delete process.env['FAULT_NEW'];
          const wanted = code === 'none' ? -1 : 0;
          return { code, fired: process.env['FAULT_FIRED'], right: parameters.data.every((one) => one === wanted) };
        },
        nth,
        { env },
      );
      expect({ nth, status, stderr, right: result?.right }).toEqual({ nth, status: 0, stderr: '', right: true });
      if (result?.fired === undefined) break;
      codes.push(result.code);
    }
    expect(codes.filter((code) => code === 'no-memory').length).toBeGreaterThan(5);
    expect(codes).toContain('none'); // the thread that was not to be had
  });

  test('without threads steps run on the calling one, and updateAsync says so', () => {
    const { status, stderr, result } = runChild(
      async ({ sgd }) => {
        const parameters = sgd.zeros([1 << 20]);
        const gradients = sgd.zerosLike(parameters);
        gradients.data.fill(1);
        const optimizer = new sgd.SGD(1, { device: 'cpu' });
        process.env['FAULT_THREADS'] = '1';
        optimizer.update(parameters, gradients);
        const code = await optimizer.updateAsync(parameters, gradients).then(
          () => 'none',
          (error: unknown) => (error as { code?: unknown }).code,
        );
        delete process.env['FAULT_THREADS'];
        const { step } = optimizer;
        await optimizer.updateAsync(parameters, gradients);
        return { code, step, steps: optimizer.step, value: parameters.data[0], fired: process.env['FAULT_FIRED'] };
      },
      undefined,
      { env },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(result).toEqual({ code: 'no-thread', step: 1, steps: 2, value: -2, fired: '1' });
  });
});
