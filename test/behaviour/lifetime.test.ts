// Ends of workers and processes with steps in flight, each in a process of its own: no crash, no hang, right values.
import { runChild, resultOf } from '../helpers/child';
import { terminateWorkers } from '../helpers/terminate';

describe('workers', () => {
  test('the addon loaded only in a worker, which exits, three times', () => {
    const results = resultOf(async (lab) => {
      const found: unknown[] = [];
      for (let i = 0; i < 3; i++) {
        const worker = lab.worker(async ({ sgd, workers }, start) => {
          const parameters = sgd.zeros({ w: 3_000_000 });
          const gradients = sgd.zerosLike(parameters);
          gradients.w.data.fill(start);
          const optimizer = new sgd.SGD(1, { momentum: 0.5 });
          optimizer.update(parameters, gradients);
          await optimizer.updateAsync(parameters, gradients);
          workers.parentPort?.postMessage(parameters.w.data[2_999_999]);
        }, i);
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        found.push(await lab.message(worker), await exited);
      }
      return found;
    });
    expect(results).toEqual([0, 0, -2.5, 0, -5, 0]);
  });

  // A simulated GPU takes its time.
  const times = process.env['METAL_SGD_DEVICE'] === 'gpu' ? 40 : 200;

  test(`terminated with steps in flight, ${String(times)} times`, () => {
    const { threadsLeft, ...ends } = resultOf(terminateWorkers, times);
    expect(ends).toEqual({ errors: 0, ended: times });
    expect(threadsLeft).toBeLessThan(8);
  });

  test('eight at once with optimizers of their own', () => {
    const results = resultOf(async (lab) => {
      const one = (seed: number): Promise<unknown> =>
        lab.message(
          lab.worker(async ({ sgd, workers }, start) => {
            const parameters = sgd.zeros({ w: 50_000, b: 3 });
            const gradients = sgd.zerosLike(parameters);
            gradients.w.data.fill(start);
            const optimizer = new sgd.SGD((step) => 1 / 2 ** step, { momentum: 0.5 });
            for (let i = 0; i < 10; i++) {
              optimizer.update(parameters, gradients);
              await optimizer.updateAsync(parameters, gradients);
              optimizer.step = 0;
            }
            workers.parentPort?.postMessage(
              parameters.w.data.every((w) => w === parameters.w.data[0]) && parameters.w.data[0],
            );
          }, seed),
        );
      const together = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(one));
      const alone = [await one(1), await one(7)];
      return { together, alone };
    });
    const [first, seventh] = results.alone as [number, number];
    expect(first).toBeLessThan(-10);
    expect(results.together).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((seed) => (seed === 0 ? 0 : (expect.any(Number) as number))),
    );
    expect([results.together[1], results.together[7]]).toEqual([first, seventh]);
  });

  test('one arena, stepped by all in turn', () => {
    const values = resultOf(async (lab) => {
      const parameters = lab.sgd.zeros({ a: 1000, b: 7 });
      const gradients = lab.sgd.zerosLike(parameters);
      gradients.a.data.fill(1);
      gradients.b.data.fill(2);
      for (let i = 0; i < 8; i++) {
        const worker = lab.worker(
          async ({ sgd, workers }, trees) => {
            const optimizer = new sgd.SGD(1, { momentum: 0.5 });
            optimizer.update(trees.parameters, trees.gradients);
            await optimizer.updateAsync(trees.parameters, trees.gradients);
            workers.parentPort?.postMessage('done');
          },
          { parameters, gradients },
        );
        await lab.message(worker);
      }
      new lab.sgd.SGD(1).update(parameters, gradients);
      return [[...new Set(parameters.a.data)], [...new Set(parameters.b.data)]];
    });
    expect(values).toEqual([[-21], [-42]]);
  });
});

describe('a process', () => {
  test('is kept alive by a pending step', () => {
    const { status, stdout } = runChild(({ sgd }) => {
      const parameters = sgd.zeros(5_000_000);
      const gradients = sgd.zerosLike(parameters);
      gradients.data.fill(1);
      const optimizer = new sgd.SGD(1);
      void optimizer
        .updateAsync(parameters, gradients)
        .then(() => optimizer.updateAsync(parameters, gradients))
        .then(() => {
          console.log(parameters.data[4_999_999]);
        });
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '-2\n' });
  });

  test('ends by itself with an idle optimizer that has stepped', () => {
    const { status, signal } = runChild(
      async ({ sgd }) => {
        const parameters = sgd.zeros(100_000);
        const optimizer = new sgd.SGD(1);
        Object.assign(globalThis, { optimizer });
        optimizer.update(parameters, sgd.zerosLike(parameters));
        await optimizer.updateAsync(parameters, sgd.zerosLike(parameters));
      },
      undefined,
      { timeout: 20_000 },
    );
    expect({ status, signal }).toEqual({ status: 0, signal: null });
  });

  test.each([
    ['process.exit()', 7],
    ['an uncaught error', 1],
    ['an uncaught error in a callback', 1],
  ])('ends by %s with a step in flight', (how, wanted) => {
    const { status, signal, stderr } = runChild(({ sgd }, way) => {
      const parameters = sgd.zeros(10_000_000);
      const gradients = sgd.zerosLike(parameters);
      const optimizer = new sgd.SGD(1, { momentum: 0.5 });
      for (let i = 0; i < 3; i++) void optimizer.updateAsync(parameters, gradients);
      if (way === 'process.exit()') process.exit(7);
      if (way === 'an uncaught error') throw new Error('on purpose');
      setTimeout(() => {
        throw new Error('on purpose');
      }, 5);
    }, how);
    expect({ status, signal }).toEqual({ status: wanted, signal: null });
    expect(stderr).toMatch(how === 'process.exit()' ? /^$/ : /on purpose/);
  });

  test('may drop every reference before the promise settles', () => {
    const settled = resultOf(async (lab) => {
      const { sgd } = lab;
      const results: number[] = [];
      const drop = (size: number): Promise<unknown> => {
        const parameters = sgd.zeros({ w: size });
        const gradients = sgd.zerosLike(parameters);
        gradients.w.data.fill(1);
        const twin = structuredClone(parameters.w.data.subarray(size - 1));
        const optimizer = new sgd.SGD(1, { momentum: 0.5 });
        return optimizer.updateAsync(parameters, gradients).then(() => results.push(twin[0]));
      };
      const forget = (size: number): void => {
        const parameters = sgd.zeros({ w: size });
        void new sgd.SGD(1, { momentum: 0.5 }).updateAsync(parameters, sgd.zerosLike(parameters));
      };
      for (let i = 0; i < 10; i++) {
        const pending = drop(2_000_000 + i);
        forget(1_000_000);
        await lab.collect();
        await pending;
      }
      return results;
    });
    expect(settled).toEqual(new Array(10).fill(-1));
  });
});
