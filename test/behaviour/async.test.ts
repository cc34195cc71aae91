// updateAsync: order, what is refused meanwhile, and failures, through injected ones of the addon.
import { clone, SGD, zeros, zerosLike } from '../../lib/index';
import { native } from '../../lib/addon/native';
import { failureOf, rangeFailure, rejectionOf, typeFailure } from '../helpers/failures';
import { bytesOf, memoryOf, numbers } from '../helpers/memory';

function trees(size: number | readonly number[] = 2): {
  parameters: { w: ReturnType<typeof zeros<2>> };
  gradients: { w: ReturnType<typeof zeros<2>> };
} {
  const parameters = { w: zeros(size as 2) };
  const gradients = zerosLike(parameters);
  gradients.w.data.fill(1);
  return { parameters, gradients };
}

/** Big enough that a step takes some milliseconds. */
const BIG = 4_000_000;

afterEach(() => {
  jest.restoreAllMocks();
});

describe('order', () => {
  test('a step writes by the time that its promise resolves, with its report', async () => {
    const { parameters, gradients } = trees();
    const optimizer = new SGD(0.5, { momentum: 0.5 });
    const report = await optimizer.updateAsync(parameters, gradients);
    expect(report).toBe(optimizer.lastRun);
    expect(Object.isFrozen(report)).toBe(true);
    expect(numbers(parameters.w.data)).toEqual([-0.5, -0.5]);
    expect(optimizer.step).toBe(1);
  });

  test('steps run and settle in the order of the calls, and give what update gives', async () => {
    const sync = trees(1000);
    const inTurn = trees(1000);
    const schedule = (step: number): number => 1 / (step + 1);
    const options = { momentum: 0.9, nesterov: true, weightDecay: 0.1 };
    const [a, b] = [new SGD(schedule, options), new SGD(schedule, options)];
    const settled: number[] = [];
    for (let i = 0; i < 20; i++) b.update(sync.parameters, sync.gradients);
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        await a.updateAsync(inTurn.parameters, inTurn.gradients);
        settled.push(i);
        expect(a.step).toBe(i + 1);
      }),
    );
    expect(settled).toEqual([...settled.keys()]);
    expect(bytesOf(inTurn.parameters)).toBe(bytesOf(sync.parameters));
    expect(memoryOf(a)).toBe(memoryOf(b));
  });

  test('the schedule is asked at the call, with the number that the step has', async () => {
    const asked: number[] = [];
    const optimizer = new SGD((step) => {
      asked.push(step);
      return step + 1;
    });
    const { parameters, gradients } = trees();
    optimizer.update(parameters, gradients);
    asked.length = 0;
    const pending = [1, 2, 3].map(() => optimizer.updateAsync(parameters, gradients));
    expect(asked).toEqual([1, 2, 3]);
    expect([optimizer.step, optimizer.learningRate]).toEqual([1, 1]);
    await pending[0];
    expect([optimizer.step, optimizer.learningRate]).toEqual([2, 2]);
    await Promise.all(pending);
    expect([optimizer.step, optimizer.learningRate]).toEqual([4, 4]);
    expect(numbers(parameters.w.data)).toEqual([-10, -10]);
  });

  test('trees may change between the steps', async () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const [one, other] = [trees(), trees()];
    const third = { ...one.parameters, late: zeros(1) };
    await Promise.all([
      optimizer.updateAsync(one.parameters, one.gradients),
      optimizer.updateAsync(other.parameters, other.gradients),
      optimizer.updateAsync(third, { ...one.gradients, late: zeros(1) }),
    ]);
    expect([one.parameters.w.data[0], other.parameters.w.data[0]]).toEqual([-2.75, -1.5]);
  });

  test('two optimizers do not wait for each other’s promises', async () => {
    const [a, b] = [trees(BIG), trees()];
    const optimizers = [new SGD(1), new SGD(1)];
    await Promise.all([
      optimizers[0].updateAsync(a.parameters, a.gradients),
      optimizers[1].updateAsync(b.parameters, b.gradients),
    ]);
    expect([a.parameters.w.data[BIG - 1], b.parameters.w.data[0]]).toEqual([-1, -1]);
  });
});

describe('while a step is pending', () => {
  test('all but step and the hyperparameters is busy, and works afterwards', async () => {
    const { parameters, gradients } = trees(BIG);
    const optimizer = new SGD(1, { momentum: 0.5 });
    const small = zeros(1);
    const state = { step: 0, learningRate: 1, parameters: {} };
    const calls: Record<string, () => unknown> = {
      update: () => {
        optimizer.update(parameters, gradients);
      },
      applySingle: () => optimizer.applySingle(small, zeros(1), {}),
      applyGradients: () => optimizer.applyGradients(gradients, parameters),
      init: () => {
        optimizer.init(parameters);
      },
      initSingle: () => {
        optimizer.initSingle(small, {});
      },
      step: () => (optimizer.step = 1),
      learningRate: () => (optimizer.learningRate = 2),
      momentum: () => (optimizer.momentum = 0.5),
      weightDecay: () => (optimizer.weightDecay = 0),
      dampening: () => (optimizer.dampening = 0),
      nesterov: () => (optimizer.nesterov = false),
      state: () => optimizer.state,
      'state ': () => (optimizer.state = state),
    };
    const pending = [optimizer.updateAsync(parameters, gradients), optimizer.updateAsync(parameters, gradients)];
    for (const [name, call] of Object.entries(calls)) {
      const message = `${name.trim()}: 2 asynchronous steps are still pending; await them first`;
      expect(failureOf(call)).toEqual({ name: 'Error', code: 'busy', message });
    }
    const { step, learningRate, momentum, weightDecay, dampening, nesterov, device, lastRun } = optimizer;
    expect({ step, learningRate, momentum, weightDecay, dampening, nesterov, device, lastRun }).toEqual({
      step: 0,
      learningRate: 1,
      momentum: 0.5,
      weightDecay: 0,
      dampening: 0,
      nesterov: false,
      device: 'auto',
      lastRun: undefined,
    });
    await Promise.all(pending);
    expect(parameters.w.data[BIG - 1]).toBe(-2.5);
    for (const name of ['step', 'learningRate', 'momentum', 'nesterov', 'init', 'update']) calls[name]();
    expect(optimizer.step).toBe(2);
  });

  test('the event loop turns', async () => {
    const { parameters, gradients } = trees(25_000_000);
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.init(parameters);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const start = performance.now();
    const pending = optimizer.updateAsync(parameters, gradients);
    const called = performance.now() - start;
    await pending;
    const took = performance.now() - start;
    clearInterval(timer);
    expect(called).toBeLessThan(took / 2);
    expect(turns).toBeGreaterThanOrEqual(1);
    expect(parameters.w.data[24_999_999]).toBe(-1);
  });
});

describe('what is wrong with the arguments rejects at the call, and changes nothing', () => {
  test.each([
    ['a parameter', 'parameters.w'],
    ['a gradient', 'gradients.w'],
  ])('%s in ordinary memory', async (_, path) => {
    const { parameters, gradients } = trees();
    const plain = { data: new Float32Array(2), shape: [2], dtype: 'float32' } as const;
    const optimizer = new SGD(1, { momentum: 0.5 });
    const before = memoryOf(optimizer) + bytesOf(parameters);
    const [p, g] = path.startsWith('p') ? [{ w: plain }, gradients] : [parameters, { w: plain }];
    expect(await rejectionOf(optimizer.updateAsync(p, g))).toEqual(
      typeFailure(
        'not-shared',
        `${path}: expected shared memory, which nobody can take away from a running step: make it by zeros, zerosLike or clone, received Float32Array of length 2`,
      ),
    );
    expect(memoryOf(optimizer) + bytesOf(parameters)).toBe(before);
    optimizer.update(p, g);
    expect(await rejectionOf(optimizer.updateAsync(p, g))).toMatchObject({ code: 'not-shared' });
    expect(optimizer.step).toBe(1);
  });

  test('a wrong tree and a wrong schedule, between steps that are right', async () => {
    const { parameters, gradients } = trees();
    const optimizer = new SGD((step) => (step === 1 && broken ? NaN : 1));
    let broken = true;
    const first = optimizer.updateAsync(parameters, gradients);
    const unscheduled = rejectionOf(optimizer.updateAsync(parameters, gradients));
    broken = false;
    const wrong = rejectionOf(optimizer.updateAsync(parameters, { w: zeros(3) }));
    const second = optimizer.updateAsync(parameters, gradients);
    expect(await unscheduled).toEqual(
      rangeFailure('invalid-hyperparameter', 'learningRate at step 1: expected a finite number, received NaN'),
    );
    expect(await wrong).toMatchObject({ name: 'RangeError', code: 'shape-mismatch' });
    await Promise.all([first, second]);
    expect(optimizer.step).toBe(2);
    expect(numbers(parameters.w.data)).toEqual([-2, -2]);
  });
});

describe('a step that fails', () => {
  test('rejects; the ones behind it are aborted and write nothing; the optimizer works on', async () => {
    const { parameters, gradients } = trees();
    const optimizer = new SGD((step) => step + 1, { momentum: 0.5 });
    const start = native().stepAsync.bind(native());
    let calls = 0;
    jest
      .spyOn(native(), 'stepAsync')
      .mockImplementation((tree, keep) => (++calls === 2 ? Promise.reject(new Error('injected')) : start(tree, keep)));
    const pending = Array.from({ length: 4 }, () => optimizer.updateAsync(parameters, gradients));
    const settled = await Promise.allSettled(pending);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(await rejectionOf(pending[1])).toMatchObject({ message: expect.stringContaining('injected') as string });
    for (const aborted of pending.slice(2)) {
      const { name, code, message } = await rejectionOf(aborted);
      expect({ name, code }).toEqual({ name: 'Error', code: 'aborted' });
      expect(message).toMatch(/^updateAsync: not run, because an earlier step failed: .*injected/);
    }
    expect(calls).toBe(2);
    expect([optimizer.step, optimizer.learningRate]).toEqual([1, 1]);
    expect(numbers(parameters.w.data)).toEqual([-1, -1]);
    optimizer.update(parameters, gradients);
    await optimizer.updateAsync(parameters, gradients);
    expect(optimizer.step).toBe(3);
    expect(numbers(parameters.w.data)).toEqual([-9.25, -9.25]);
  });

  test('at once, as when no thread can be had, rejects too', async () => {
    const { parameters, gradients } = trees();
    const optimizer = new SGD(1);
    jest.spyOn(native(), 'stepAsync').mockImplementationOnce(() => {
      throw new Error('injected');
    });
    expect(await rejectionOf(optimizer.updateAsync(parameters, gradients))).toMatchObject({
      message: expect.stringContaining('injected') as string,
    });
    await optimizer.updateAsync(parameters, gradients);
    expect(numbers(parameters.w.data)).toEqual([-1, -1]);
  });

  test('a synchronous failure does not advance the step', () => {
    const { parameters, gradients } = trees();
    const optimizer = new SGD((step) => step + 1);
    optimizer.update(parameters, gradients);
    jest.spyOn(native(), 'step').mockImplementation(() => {
      throw new Error('injected');
    });
    const copy = clone(parameters);
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }).message,
    ).toContain('injected');
    expect(failureOf(() => optimizer.applyGradients(gradients, parameters)).message).toContain('injected');
    expect([optimizer.step, optimizer.learningRate]).toEqual([1, 1]);
    expect(bytesOf(parameters)).toBe(bytesOf(copy));
  });
});
