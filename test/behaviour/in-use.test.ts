// Memory under pending steps: who waits, who throws, and what stands between two steps.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assign, clone, fromBytes, loadTensors, saveTensors, SGD, toBytes, zeros, zerosLike } from '../../lib';
import { native } from '../../lib/addon/native';
import { failureOf, rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';
import { numbers } from '../helpers/memory';

/** Big enough that a step takes some milliseconds, in two leaves that one step writes one after the other. */
const SIZE = 2_000_000;

interface Model {
  first: ReturnType<typeof zeros<number>>;
  last: ReturnType<typeof zeros<number>>;
}

function model(size = SIZE): { parameters: Model; gradients: Model } {
  const parameters = zeros({ first: size, last: size });
  const gradients = zerosLike(parameters);
  gradients.first.data.fill(1);
  gradients.last.data.fill(1);
  return { parameters, gradients };
}

/** The first and the last element. */
const ends = ({ first, last }: Model): number[] => [first.data[0], last.data[last.data.length - 1]];

/** The one value of all elements; `undefined` if two differ: the moments of two steps. */
function onlyValue({ first, last }: Model): number | undefined {
  const [value] = first.data;
  return [first, last].every(({ data }) => data.every((one) => one === value)) ? value : undefined;
}

/** Does `work` beside a loop that awaits each step. */
async function besideTraining(
  optimizer: SGD,
  trained: ReturnType<typeof model>,
  work: () => Promise<void>,
): Promise<void> {
  const training = { isOver: false };
  const loop = (async () => {
    while (!training.isOver) await optimizer.updateAsync(trained.parameters, trained.gradients);
  })();
  await work();
  training.isOver = true;
  await loop;
}

const folder = temporaryFolders();

describe('while a step is pending', () => {
  const BUSY = 'a step of updateAsync is using this memory; await its promise first';

  test.each<[string, string, (one: ReturnType<typeof model>) => unknown]>([
    ['clone', 'tree.first', ({ parameters }) => clone(parameters)],
    ['clone of one leaf', 'tree', ({ parameters }) => clone(parameters.last)],
    [
      'assign into parameters',
      'target.last',
      ({ parameters }) => assign({ last: parameters.last }, { last: zeros(SIZE) }),
    ],
    [
      'assign into gradients',
      'target.first',
      ({ gradients }) => assign({ first: gradients.first }, { first: zeros(SIZE) }),
    ],
    [
      'assign from parameters',
      'source.first',
      ({ parameters }) => assign({ first: zeros(SIZE) }, { first: parameters.first }),
    ],
    ['toBytes', 'tree.first', ({ parameters }) => toBytes({ first: parameters.first })],
    ['toBytes of another optimizer', 'parameters.first', ({ parameters }) => new SGD(1).toBytes({ parameters })],
    [
      'fromBytes of another optimizer',
      'parameters.first',
      ({ parameters }) => new SGD(1).fromBytes(new SGD(1).toBytes({ parameters: model(1).parameters }), { parameters }),
    ],
    [
      'fromBytes into parameters',
      'into.first',
      ({ parameters: into }) => fromBytes(toBytes(model(1).parameters), { into }),
    ],
    [
      'fromBytes into gradients',
      'into.first',
      ({ gradients: into }) => fromBytes(toBytes(model(1).parameters), { into }),
    ],
    [
      'update of another optimizer',
      'parameters',
      ({ parameters, gradients }) => {
        new SGD(1).update(parameters, gradients);
      },
    ],
    [
      'update with its parameters as gradients',
      'parameters',
      ({ parameters }) => {
        new SGD(1).update(model().parameters, parameters);
      },
    ],
    ['applyGradients', 'parameters', ({ parameters, gradients }) => new SGD(1).applyGradients(gradients, parameters)],
    [
      'applySingle',
      'parameter',
      ({ parameters, gradients }) => new SGD(1).applySingle(gradients.first, parameters.first, {}),
    ],
    [
      'the same memory through another SharedArrayBuffer',
      'tree',
      ({ parameters }) =>
        clone(new Float32Array(structuredClone(parameters.first.data.buffer), parameters.first.data.byteOffset, 4)),
    ],
  ])('%s is busy, and works afterwards', async (_, name, call) => {
    const one = model();
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.update(one.parameters, one.gradients);
    const pending = optimizer.updateAsync(one.parameters, one.gradients);
    expect(failureOf(() => call(one))).toEqual({ name: 'Error', code: 'busy', message: `${name}: ${BUSY}` });
    await pending;
    expect(ends(one.parameters)).toEqual([-2.5, -2.5]);
    if (!name.startsWith('into') && !_.startsWith('fromBytes')) expect(call(one)).not.toBe(null);
  });

  test('what the step only reads can be read, and other memory is free', async () => {
    const { parameters, gradients } = model();
    const beside = { w: zeros(3) };
    const optimizer = new SGD(1);
    const pending = optimizer.updateAsync(parameters, gradients);
    expect(ends(clone(gradients))).toEqual([1, 1]);
    expect(toBytes(gradients).length).toBeGreaterThan(2 * SIZE * 4);
    expect(numbers(clone(beside).w.data)).toEqual([0, 0, 0]);
    new SGD(1).update(beside, { w: zeros(3) });
    expect(optimizer.pending).toBe(1);
    await pending;
    expect(optimizer.pending).toBe(0);
  });

  test('memory counts to its end where gradients lie within each other', async () => {
    const parameters = zeros({ big: SIZE, small: 10 });
    const { data } = zeros(SIZE);
    const pending = new SGD(1).updateAsync(parameters, { big: data, small: data.subarray(5, 15) });
    const into = data.subarray(100, 110);
    expect(failureOf(() => fromBytes(toBytes(zeros(10)), { into })).message).toBe(`into: ${BUSY}`);
    await pending;
    fromBytes(toBytes(zeros(10)), { into });
  });

  test('a velocity is in use too', async () => {
    const { parameters, gradients } = model();
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.init(parameters);
    const { state } = optimizer;
    const pending = optimizer.updateAsync(parameters, gradients);
    const message = `tree.parameters.first.v: ${BUSY}`;
    expect(failureOf(() => clone(state))).toEqual({ name: 'Error', code: 'busy', message });
    await pending;
    expect(Object.keys(clone(state).parameters)).toEqual(['first', 'last']);
  });
});

describe('files', () => {
  test('saveTensors waits for earlier steps, and later ones wait for it', async () => {
    const { parameters, gradients } = model();
    const optimizer = new SGD(1);
    const path = join(folder(), 'one-moment.safetensors');
    const before = [1, 2].map(() => optimizer.updateAsync(parameters, gradients));
    const saved = saveTensors(path, parameters);
    const after = [1, 2, 3].map(() => optimizer.updateAsync(parameters, gradients));
    await saved;
    expect(optimizer.step).toBe(2);
    await Promise.all([...before, ...after]);
    expect(ends(parameters)).toEqual([-5, -5]);
    const { tree } = fromBytes<Model>(await readFile(path));
    expect(onlyValue(tree)).toBe(-2);
  });

  test('saveTensors beside a loop of steps gets its turn', async () => {
    const { parameters, gradients } = model(300_000);
    const optimizer = new SGD(1);
    const path = join(folder(), 'loop.safetensors');
    const training = { isOver: false };
    const loop = (async () => {
      while (!training.isOver) {
        const two = [optimizer.updateAsync(parameters, gradients), optimizer.updateAsync(parameters, gradients)];
        await Promise.all(two);
      }
    })();
    for (let i = 0; i < 5; i++) {
      await saveTensors(path, parameters);
      const { tree } = fromBytes<Model>(await readFile(path));
      expect(onlyValue(tree)).toBeDefined();
    }
    training.isOver = true;
    await loop;
    expect(ends(parameters)).toEqual([-optimizer.step, -optimizer.step]);
  });

  test('save of parameters that another optimizer steps waits too', async () => {
    const { parameters, gradients } = model();
    const [stepping, saving] = [new SGD(1), new SGD(1)];
    const path = join(folder(), 'other.safetensors');
    const before = stepping.updateAsync(parameters, gradients);
    const saved = saving.save(path, { parameters });
    const after = stepping.updateAsync(parameters, gradients);
    await saved;
    expect(stepping.step).toBe(1);
    await Promise.all([before, after]);
    const { tree } = await loadTensors<Model>(path, { prefix: 'parameters' });
    expect(ends(tree)).toEqual([-1, -1]);
  });

  test('while a file is written, a step on this thread is busy', async () => {
    const { parameters, gradients } = model();
    const optimizer = new SGD(1);
    const saved = saveTensors(join(folder(), 'busy.safetensors'), parameters);
    await Promise.resolve();
    const message = 'parameters: saveTensors is using this memory; await its promise first';
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }),
    ).toEqual({ name: 'Error', code: 'busy', message });
    expect(ends(clone(parameters))).toEqual([0, 0]);
    await saved;
    optimizer.update(parameters, gradients);
    expect(ends(parameters)).toEqual([-1, -1]);
  });

  test('loadTensors waits for earlier steps, and later ones wait for it', async () => {
    const { parameters, gradients } = model();
    const optimizer = new SGD(1);
    const path = join(folder(), 'into.safetensors');
    await saveTensors(path, parameters);
    const before = optimizer.updateAsync(parameters, gradients);
    const loaded = loadTensors(path, { into: parameters });
    const after = optimizer.updateAsync(parameters, gradients);
    await Promise.all([before, loaded, after]);
    expect(onlyValue(parameters)).toBe(-1);
  });

  test('a file that fails lets later steps go', async () => {
    const { parameters, gradients } = model(4);
    const optimizer = new SGD(1);
    const failed = rejectionOf(saveTensors(join(folder(), 'no-such-folder', 'file'), parameters));
    await optimizer.updateAsync(parameters, gradients);
    expect(await failed).toMatchObject({ code: 'ENOENT' });
    expect(ends(parameters)).toEqual([-1, -1]);
  });
});

describe('between', () => {
  test('runs after earlier steps and before later ones, and resolves with what the function returns', async () => {
    const { parameters, gradients } = model();
    const optimizer = new SGD(1, { momentum: 0.5 });
    const steps = [1, 2].map(() => optimizer.updateAsync(parameters, gradients));
    const seen = optimizer.between(() => {
      const copy = clone({ parameters, state: optimizer.state });
      return { copy, ends: ends(parameters), step: optimizer.step, pending: optimizer.pending };
    });
    steps.push(...[3, 4].map(() => optimizer.updateAsync(parameters, gradients)));
    expect(optimizer.pending).toBe(4);
    const { copy, ...rest } = await seen;
    expect(rest).toEqual({ ends: [-2.5, -2.5], step: 2, pending: 2 });
    await Promise.all(steps);
    expect(ends(copy.parameters)).toEqual([-2.5, -2.5]);
    expect(copy.state.step).toBe(2);
    expect(optimizer.pending).toBe(0);
    expect(await optimizer.between(() => 'idle')).toBe('idle');
  });

  test('with no step behind it, the optimizer can be changed within it', async () => {
    const { parameters, gradients } = model(2);
    const optimizer = new SGD(1, { momentum: 0.5 });
    const step = optimizer.updateAsync(parameters, gradients);
    const saved = await optimizer.between(() => {
      optimizer.learningRate = 2;
      optimizer.momentum = 0.25;
      const { state } = optimizer;
      optimizer.state = state;
      optimizer.update(parameters, gradients);
      const bytes = optimizer.toBytes();
      void optimizer.updateAsync(parameters, gradients);
      return bytes;
    });
    await step;
    await optimizer.between(() => undefined);
    expect(saved.length).toBeGreaterThan(16);
    // -1, then v = 1.25 and -3.5, then v = 1.3125 and -6.125.
    expect([optimizer.step, ...ends(parameters)]).toEqual([3, -6.125, -6.125]);
  });

  test('a loop of steps leaves room to change the learning rate', async () => {
    const optimizer = new SGD(1);
    await besideTraining(optimizer, model(100_000), async () => {
      for (let i = 1; i <= 20; i++) await optimizer.between(() => (optimizer.learningRate = i));
    });
    expect(optimizer.learningRate).toBe(20);
  });

  test('with steps behind it, what changes the optimizer is busy within it', async () => {
    const { parameters, gradients } = model(2);
    const optimizer = new SGD(1, { momentum: 0.5 });
    const calls: (() => unknown)[] = [
      () => {
        optimizer.update(parameters, gradients);
      },
      () => (optimizer.momentum = 0),
      () => (optimizer.state = { step: 0, learningRate: 1, parameters: {} }),
    ];
    const failures = optimizer.updateAsync(parameters, gradients).then(() => undefined);
    const busy = optimizer.between(() => calls.map((call) => failureOf(call)));
    const later = optimizer.updateAsync(parameters, gradients);
    const message = 'update: steps are waiting behind between; call it where pending is 0';
    expect((await busy)[0]).toEqual({ name: 'Error', code: 'busy', message });
    expect((await busy).map(({ code }) => code)).toEqual(['busy', 'busy', 'busy']);
    await Promise.all([failures, later]);
    expect(optimizer.step).toBe(2);
  });

  test('an async function is refused before it runs', async () => {
    let ran = false;
    const work = (async () => {
      ran = true;
      await Promise.resolve();
    }) as () => never;
    expect(await rejectionOf(new SGD(1).between(work))).toMatchObject({ code: 'invalid-option' });
    expect(ran).toBe(false);
  });

  test('an error of the function rejects, and later steps go on', async () => {
    const { parameters, gradients } = model(2);
    const optimizer = new SGD(1);
    const mine = new Error('mine');
    const before = optimizer.updateAsync(parameters, gradients);
    const failed = optimizer.between(() => {
      throw mine;
    });
    const step = optimizer.updateAsync(parameters, gradients);
    await expect(failed).rejects.toBe(mine);
    await Promise.all([before, step]);
    expect(ends(parameters)).toEqual([-2, -2]);
  });

  test('is refused for what is no function, or returns a promise', async () => {
    const optimizer = new SGD(1);
    expect(await rejectionOf(optimizer.between(3 as never))).toMatchObject({
      code: 'invalid-option',
      message: 'between: expected a function, received 3',
    });
    expect(await rejectionOf(optimizer.between(() => Promise.reject(new Error('lost')) as never))).toMatchObject({
      code: 'invalid-option',
      message:
        'between: expected a function that returns no promise, since later steps would not wait for it; await outside, received Promise',
    });
  });

  test('behind a step that fails, it is aborted and does not run', async () => {
    const { parameters, gradients } = model(2);
    const optimizer = new SGD((step) => (step === 0 ? 1 : 2));
    jest.spyOn(native(), 'stepAsync').mockReturnValueOnce(Promise.reject(new Error('injected')));
    const failed = rejectionOf(optimizer.updateAsync(parameters, gradients));
    let ran = false;
    const aborted = rejectionOf(optimizer.between(() => (ran = true)));
    expect(await failed).toMatchObject({ message: expect.stringContaining('injected') as string });
    expect(await aborted).toMatchObject({ code: 'aborted' });
    expect(ran).toBe(false);
    jest.restoreAllMocks();
  });

  test('readers beside a training loop never see half a step', async () => {
    const trained = model(300_000);
    const optimizer = new SGD(1);
    await besideTraining(optimizer, trained, async () => {
      for (let i = 0; i < 50; i++) {
        const [first, last] = await optimizer.between(() => ends(trained.parameters));
        expect(first).toBe(last);
      }
    });
  });
});
