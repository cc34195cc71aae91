// Code of the caller's at every place where a value of the caller's is touched: it throws, takes memory away, or calls back.
import { clone, SGD, type Tensor, toBytes, zeros, zerosLike } from '../../lib/index';
import { resultOf } from '../helpers/child';
import { failureOf, rejectionOf } from '../helpers/failures';
import { loose } from '../helpers/loose';

type Tree = Record<string, unknown>;

/** A tree whose every touch is counted: `act` runs at the `nth`. Typed arrays stand in it as they are. */
function touchy(tree: object, nth: number, act: () => void): { tree: object; touches: () => number } {
  let count = 0;
  const touch = <T>(result: () => T): T => {
    if (++count === nth) act();
    return result();
  };
  const traps: ProxyHandler<object> = Object.fromEntries(
    ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf', 'isExtensible'].map((trap) => [
      trap,
      (...given: unknown[]) =>
        touch(() => (Reflect as unknown as Record<string, (...given: unknown[]) => unknown>)[trap](...given)),
    ]),
  );
  const wrap = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
    const inside = Array.isArray(value)
      ? value.map(wrap)
      : Object.fromEntries(Object.entries(value).map(([key, child]) => [key, wrap(child)]));
    return new Proxy(inside, traps);
  };
  return { tree: wrap(tree) as object, touches: () => count };
}

interface Memory {
  readonly parameters: Tree;
  readonly gradients: Tree;
  readonly take: () => void;
}

/** Leaves whose memory can be taken away: by transfer, and by shrinking. */
function memory(): Memory {
  const ordinary = [new ArrayBuffer(64), new ArrayBuffer(64)];
  const resizable = [new ArrayBuffer(64, { maxByteLength: 64 }), new ArrayBuffer(64, { maxByteLength: 64 })];
  const tensor = (buffer: ArrayBuffer): Tensor => ({ data: new Float32Array(buffer), shape: [4, 4], dtype: 'float32' });
  return {
    parameters: { a: tensor(ordinary[0]), list: [tensor(resizable[0])] },
    gradients: { a: tensor(ordinary[1]), list: [new Float32Array(resizable[1])] },
    take: () => {
      for (const buffer of ordinary) if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
      for (const buffer of resizable) buffer.resize(0);
    },
  };
}

/** Each calls one method with trees that may be hostile. */
const CALLS: Readonly<Record<string, (optimizer: SGD, parameters: object, gradients: object) => unknown>> = {
  update: (optimizer, parameters, gradients) => {
    loose(optimizer).update(parameters, gradients);
    loose(optimizer).update(parameters, gradients);
  },
  applyGradients: (optimizer, parameters, gradients) => loose(optimizer).applyGradients(gradients, parameters),
  applySingle: (optimizer, parameters, gradients) => loose(optimizer).applySingle(gradients, parameters, {}),
  init: (optimizer, parameters) => {
    optimizer.init(parameters as Tree as never);
  },
  state: (optimizer, parameters) => {
    optimizer.state = { step: 1, learningRate: 1, parameters: parameters };
  },
  clone: (_, parameters) => clone(parameters),
  zerosLike: (_, parameters) => zerosLike(parameters as never),
  toBytes: (_, parameters) => toBytes(parameters as never),
  save: (optimizer, parameters) => optimizer.toBytes({ parameters: parameters as never }),
};

/** The trees that a call is given. */
function treesFor(call: string, { parameters, gradients }: Memory): [object, object] {
  if (call === 'applySingle') return [parameters['a'] as object, gradients['a'] as object];
  return [call === 'state' ? { a: { v: parameters['a'] } } : parameters, gradients];
}

/** Runs the call for every touch at which `act` can happen; gives what each threw. */
function everyTouch(call: string, act: (given: Memory, optimizer: SGD) => void): unknown[] {
  const codes: unknown[] = [];
  for (let nth = 1; ; nth++) {
    const given = memory();
    const optimizer = new SGD(0.5, { momentum: 0.9, device: 'cpu' });
    const [first, second] = treesFor(call, given);
    const parameters = touchy(first, nth, () => {
      act(given, optimizer);
    });
    const gradients = touchy(second, nth, () => {
      act(given, optimizer);
    });
    let code: unknown = 'none';
    try {
      CALLS[call](optimizer, parameters.tree, gradients.tree);
    } catch (error) {
      code = (error as { code?: unknown }).code;
    }
    codes.push(code);
    if (nth > Math.max(parameters.touches(), gradients.touches())) return codes;
  }
}

describe('at every touch of every tree', () => {
  test.each(Object.keys(CALLS))('%s: a throw becomes an error with a code', (call) => {
    const codes = everyTouch(call, () => {
      throw new Error('a trap');
    });
    expect(codes.length).toBeGreaterThan(5);
    expect(codes).not.toContain(undefined);
  });

  test.each(Object.keys(CALLS))('%s: memory that goes is noticed, or was not needed any more', (call) => {
    const codes = everyTouch(call, ({ take }) => {
      take();
    });
    expect(codes.filter((code) => !['none', 'detached', 'invalid-shape'].includes(code as string))).toEqual([]);
    expect(codes).toContain('detached');
  });

  test.each(Object.keys(CALLS))('%s: calling back is busy', (call) => {
    const said: unknown[] = [];
    everyTouch(call, ({ parameters, gradients }, optimizer) => {
      try {
        loose(optimizer).update(parameters, gradients);
        said.push('ran');
      } catch (error) {
        said.push((error as { code?: unknown }).code);
      }
    });
    // Functions beside the optimizer hold nothing of it.
    const isOfOptimizer = !['clone', 'zerosLike', 'toBytes'].includes(call);
    if (isOfOptimizer) expect(said).toContain('busy');
    expect(said).not.toContain(undefined);
  });
});

describe('a schedule that calls its optimizer', () => {
  test.each(['update', 'updateAsync', 'save', 'load', 'init', 'learningRate', 'state'])(
    '%s is busy',
    async (method) => {
      const [parameters, gradients] = [zeros({ w: [4] }), zeros({ w: [4] })];
      let inner: Promise<unknown> | undefined;
      const calls: Record<string, () => unknown> = {
        update: () => {
          optimizer.update(parameters, gradients);
        },
        updateAsync: () => optimizer.updateAsync(parameters, gradients),
        save: () => optimizer.save('never-written.safetensors'),
        load: () => optimizer.load('never-read.safetensors'),
        init: () => {
          optimizer.init(parameters);
        },
        learningRate: () => (optimizer.learningRate = 2),
        state: () => (optimizer.state = { step: 0, learningRate: 1, parameters: {} }),
      };
      let isArmed = false;
      const optimizer = new SGD(() => {
        if (isArmed) {
          isArmed = false;
          inner = rejectionOf(Promise.resolve().then(() => undefined)).catch(() => undefined);
          inner = new Promise((resolve) => {
            resolve(calls[method]());
          }).then(
            () => 'ran',
            (error: unknown) => (error as { code?: unknown }).code,
          );
        }
        return 1;
      });
      isArmed = true;
      optimizer.update(parameters, gradients);
      expect(await inner).toBe('busy');
      expect(optimizer.step).toBe(1);
    },
  );
});

test('the setter of a state may take the gradient away: an error, and no step over memory that is gone', () => {
  const buffer = new ArrayBuffer(64);
  const gradient = new Float32Array(buffer).fill(1);
  const state = {
    get v(): undefined {
      return undefined;
    },
    set v(_: unknown) {
      structuredClone(buffer, { transfer: [buffer] });
    },
  };
  const optimizer = new SGD(0.5, { momentum: 0.9, device: 'cpu' });
  expect(failureOf(() => optimizer.applySingle(gradient, new Float32Array(16), state as never)).code).toBe('detached');
});

test('an empty leaf whose buffer is gone is the same error with and without a plan', () => {
  const buffer = new ArrayBuffer(0);
  const parameters = { e: new Float32Array(buffer), w: new Float32Array(2) };
  const gradients = { e: new Float32Array(0), w: new Float32Array(2) };
  const optimizer = new SGD(1, { device: 'cpu' });
  optimizer.update(parameters, gradients);
  structuredClone(buffer, { transfer: [buffer] });
  const failures = [optimizer, new SGD(1, { device: 'cpu' })].map((one) =>
    failureOf(() => {
      one.update(parameters, gradients);
    }),
  );
  expect(failures[0].code).toBe('detached');
  expect(failures[1]).toEqual(failures[0]);
});

test('properties on Object.prototype change nothing', () => {
  const { momentum, values, plans } = resultOf(({ sgd }) => {
    const names = ['leaf', 'children', 'momentum', 'v', 'shape', 'dtype', 'old'];
    const polluted = Object.prototype as unknown as Record<string, unknown>;
    for (const name of names) polluted[name] = 5;
    const parameters = sgd.zeros({ a: [2], list: [[2], [3]] });
    const gradients = sgd.zerosLike(parameters);
    parameters.a.data.fill(1);
    gradients.a.data.fill(1);
    const optimizer = new sgd.SGD(0.5, {});
    for (let i = 0; i < 2; i++) optimizer.update(parameters, gradients);
    const found = { momentum: optimizer.momentum, values: [...parameters.a.data], plans: optimizer.step };
    for (const name of names) Reflect.deleteProperty(polluted, name);
    return found;
  });
  expect({ momentum, values, plans }).toEqual({ momentum: 0, values: [0, 0], plans: 2 });
});

test('an arena whose header another thread wrote leads to no memory but its own', () => {
  const found = resultOf(async (main) => {
    const { sgd } = main;
    const told: unknown[] = [];
    // Words of the header: 3 is the first leaf's offset, 4 the number of leaves, 5 and 6 their lengths in bytes.
    const changes: readonly (readonly (readonly [word: number, value: number])[])[] = [
      [[3, 0]],
      [[3, 8]],
      [[3, 2 ** 40]],
      [[3, NaN]],
      [[4, 1]],
      [[4, 2 ** 30]],
      [[4, -1]],
      [[5, 16]],
      [[5, 2 ** 50]],
      [
        [3, 2 ** 45],
        [4, 2 ** 30],
      ],
    ];
    for (const written of changes) {
      const parameters = sgd.zeros({ a: [5000], b: [300] });
      const gradients = sgd.zerosLike(parameters);
      for (const leaf of Object.values(gradients)) leaf.data.fill(1);
      new sgd.SGD(0.5).update(parameters, gradients);
      for (const { data } of [parameters.a, gradients.a]) {
        for (const [word, value] of written) new Float64Array(data.buffer, word * 8, 1)[0] = value;
      }
      const other = main.worker(
        (lab, { p, g }) => {
          lab.sgd.zeros([1]);
          new lab.sgd.SGD(0.5).update(p, g);
          lab.workers.parentPort?.postMessage('stepped');
        },
        { p: parameters, g: gradients },
      );
      const said = await main.message(other);
      const values = Object.values(parameters).flatMap(({ data }) => [...data]);
      told.push([said, values.every((one) => one === -1)]);
    }
    return told;
  });
  expect(found).toEqual(Array.from({ length: 10 }, () => ['stepped', true]));
});
