// What a newcomer gets wrong: each mistake is an error, or a warning, that says what to do.
import { inspect } from 'node:util';
import {
  CheckpointDirectory,
  clone,
  cosineDecay,
  fromBytes,
  SGD,
  type SGDGroup,
  type Tensor,
  toBytes,
  zeros,
  zerosLike,
} from '../../lib';
import { runNode } from '../helpers/child';
import { failureOf, rejectionOf } from '../helpers/failures';
import { bytesOf, numbers } from '../helpers/memory';

const parameters = { w: Float32Array.of(1, 2, 3) };
const gradients = { w: Float32Array.of(1, 1, 1) };
/** Lets what does not compile run. */
const loose = (value: unknown): { w: Float32Array } => value as { w: Float32Array };
const LEAF = 'a Float32Array, a Float64Array, a Float16Array or a Tensor { data, shape, dtype }';
const TREE = `${LEAF}, or a plain object or array of them`;

function stepped(options = {}): { optimizer: SGD; p: { w: Tensor<'float32'> }; g: { w: Tensor<'float32'> } } {
  const p = zeros({ w: 3 });
  const g = zerosLike(p);
  const optimizer = new SGD(0.1, { momentum: 0.9, ...options });
  optimizer.update(p, g);
  return { optimizer, p, g };
}

const MISTAKES: [string, () => unknown, string, string][] = [
  [
    'data without shape and dtype',
    () => {
      new SGD(1).update(parameters, loose({ w: { data: gradients.w } }));
    },
    'invalid-leaf',
    'gradients.w: expected a Tensor { data, shape, dtype }, received an object with data alone',
  ],
  [
    'data and shape without dtype',
    () => {
      new SGD(1).update(loose({ w: { data: parameters.w, shape: [3] } }), gradients);
    },
    'invalid-leaf',
    'parameters.w.dtype: expected float32, float64, float16, bfloat16, received undefined',
  ],
  [
    'an array of numbers',
    () => {
      new SGD(1).update(loose({ w: [1, 2, 3] }), gradients);
    },
    'invalid-leaf',
    `parameters.w.0: expected ${TREE}, received the number 1; make arrays of numbers leaves by Float32Array.from`,
  ],
  [
    'a bare Uint16Array',
    () => {
      new SGD(1).update(loose({ w: new Uint16Array(3) }), gradients);
    },
    'invalid-leaf',
    `parameters.w: expected ${LEAF}, received a bare Uint16Array; 16-bit data needs { data, shape, dtype: 'bfloat16' | 'float16' }`,
  ],
  [
    'an instance of a class with methods',
    () => {
      new SGD(1).update(
        loose(
          new (class Model {
            w = parameters.w;
            forward(): number {
              return this.w[0];
            }
          })(),
        ),
        gradients,
      );
    },
    'invalid-leaf',
    `parameters: expected ${TREE}, received an instance of Model`,
  ],
  [
    'numbers to clone',
    () => clone({ w: [1, 2, 3] }),
    'invalid-leaf',
    `tree.w.0: expected ${TREE}, received the number 1; make arrays of numbers leaves by Float32Array.from`,
  ],
  [
    'axes as arguments',
    () => zeros(2, 3 as never),
    'invalid-option',
    'dtype: expected float32, float64, float16, bfloat16, received 3; for a shape of several axes write zeros([2, 3])',
  ],
  [
    'more arguments of zerosLike',
    () => (zerosLike as (...all: unknown[]) => unknown)(parameters, 'float64', 1),
    'invalid-option',
    'zerosLike: expected a tree and a dtype alone, received 1',
  ],
  [
    'an empty list of layers',
    () => zeros({ layers: [] }),
    'invalid-shape',
    'shape.layers: expected a shape with an axis, or a tree of shapes, received an empty array; leave an empty list out, and write [1] for one number',
  ],
  [
    'swapped arguments of cosineDecay',
    () => cosineDecay(100, 0.1),
    'invalid-schedule',
    'decay_steps must be greater than 0, but got 0.1.',
  ],
  [
    'weights where a state belongs',
    () => new SGD(1, { momentum: 0.9 }).fromBytes(toBytes(parameters)),
    'file-mismatch',
    'bytes: expected the state of an optimizer, received a file without one; for parameters alone use loadTensors:',
  ],
  [
    'a checkpoint where weights belong',
    () => fromBytes(stepped().optimizer.toBytes({ parameters }), { into: clone(parameters) }),
    'file-mismatch',
    "bytes: expected a tree of tensors, received a checkpoint; load its parameters with `prefix: 'parameters'`:",
  ],
  [
    'gradients that are missing',
    () => {
      new SGD(1).update(parameters, loose(undefined));
    },
    'invalid-leaf',
    'gradients: expected a tree of gradients, received undefined; update takes (parameters, gradients), applyGradients (gradients, parameters)',
  ],
  [
    "PyTorch's arguments",
    () => new SGD(loose(parameters) as never, { lr: 0.1 } as never),
    'invalid-hyperparameter',
    'learningRate: expected a finite number or a function of the step, received an object; parameters go to update',
  ],
  [
    'another model, with momentum',
    () => {
      stepped().optimizer.update({ w: new Float32Array(4) }, { w: new Float32Array(4) });
    },
    'length-mismatch',
    'parameters.w: expected 3 elements as in earlier steps (another model needs another optimizer), received 4',
  ],
];

test.each(MISTAKES)('%s', (_, call, code, message) => {
  const failure = failureOf(call);
  expect([failure.code, failure.message.split('\n')[0]]).toEqual([code, message]);
});

test('without momentum there is no state, and the next model may have other shapes', () => {
  const optimizer = new SGD(1);
  optimizer.update({ w: new Float32Array(3) }, { w: new Float32Array(3) });
  optimizer.update({ w: new Float32Array(4) }, { w: new Float32Array(4) });
  const next = { w: [Float32Array.of(1, 2)] };
  optimizer.update(next, { w: [Float32Array.of(1, 1)] });
  expect(numbers(next.w[0])).toEqual([0, 1]);
});

describe('swapped arguments', () => {
  const ORDERS = 'update takes (parameters, gradients), applyGradients takes (gradients, parameters)';
  const swapped = (message: string): object => ({
    name: 'TypeError',
    code: 'swapped-arguments',
    message: `${message} in an earlier step of this optimizer; ${ORDERS}`,
  });

  test('are found by what an earlier step took', () => {
    const { optimizer, p, g } = stepped();
    const before = bytesOf([p, g]);
    const message = 'gradients.w: expected a gradient, received an array that was a parameter';
    expect(
      failureOf(() => {
        optimizer.update(g, p);
      }),
    ).toEqual(swapped(message));
    expect(failureOf(() => optimizer.applyGradients(p, g))).toEqual(swapped(message));
    expect(bytesOf([p, g])).toBe(before);
    optimizer.update(p, g);
    expect(optimizer.step).toBe(2);
  });

  test('are found beside new parameters too, and after applyGradients', () => {
    const [p, g, other] = [zeros({ w: 3 }), zeros({ w: 3 }), zeros({ w: 3 })];
    const optimizer = new SGD(1);
    optimizer.applyGradients(g, p);
    const message = 'parameters.w: expected a parameter, received an array that was a gradient';
    expect(
      failureOf(() => {
        optimizer.update(g, other);
      }),
    ).toEqual(swapped(message));
  });

  test('parameters of earlier steps may step each other', () => {
    const [a, b, g] = [zeros({ w: 3 }), zeros({ w: 3 }), zeros({ w: 3 })];
    const optimizer = new SGD(1);
    optimizer.update(a, g);
    optimizer.update(b, g);
    optimizer.update(a, b);
    expect(optimizer.step).toBe(3);
  });
});

describe('two models with one optimizer', () => {
  /** What the process says on standard error. */
  const said = (code: string): string => {
    const setUp =
      "const { SGD, zeros } = require('./dist'); const [a, b, g] = [zeros({ w: 2 }), zeros({ w: 2 }), zeros({ w: 2 })];";
    const { status, stderr } = runNode(['-e', `${setUp} ${code}`]);
    expect(status).toBe(0);
    return stderr;
  };

  test('warn once where they share velocities', () => {
    const text = said('const o = new SGD(1, { momentum: 0.9 }); for (const p of [a, b, a, b, a]) o.update(p, g);');
    expect(text.match(/METAL_SGD_TWO_MODELS/g)).toHaveLength(1);
    expect(text).toContain(
      'parameters.w: two arrays take turns in this place and share one velocity; give each model an optimizer of its own',
    );
  });

  test('do not warn without momentum, nor where new arrays follow old ones', () => {
    expect(said('const o = new SGD(1); for (const p of [a, b, a, b]) o.update(p, g);')).toBe('');
    const turnover =
      'let p = a; for (let i = 0; i < 4; i++) p = o.applyGradients(g, p); o.update({ ...p }, g); o.update(p, g);';
    expect(said(`const o = new SGD(1, { momentum: 0.9 }); ${turnover}`)).toBe('');
  });
});

describe('an optimizer', () => {
  test('refuses a property that it does not have, unless a class extends it or a spy defines it', () => {
    const optimizer = new SGD(1) as SGD & { lr?: number };
    const message =
      'lr: there is no such property; step, learningRate, lossScale, trainable, state, momentum, weightDecay, dampening, nesterov, maximize, clipValue, maxNorm, nonFinite, emaDecay, firstStep can be assigned';
    expect(failureOf(() => (optimizer.lr = 0.5))).toEqual({ name: 'TypeError', code: 'invalid-option', message });
    const [group] = new SGD(1, { groups: [{ parameters: /w/ }] }).groups as (SGDGroup & { lr?: number })[];
    expect(failureOf(() => (group.lr = 0.5)).code).toBe('invalid-option');
    const spy = jest.spyOn(optimizer, 'update').mockReturnValue();
    optimizer.update(parameters, gradients);
    expect(spy).toHaveBeenCalledTimes(1);
    const defined: unknown = Object.defineProperty(new SGD(1), 'init', { value: 3 });
    expect(defined).toHaveProperty('init', 3);
    class Named extends SGD {
      label = 'mine';
    }
    expect(new Named(1).label).toBe('mine');
  });

  test('tells what it is, on a terminal and as JSON', () => {
    const { optimizer } = stepped({ nesterov: true });
    const told = {
      step: 1,
      learningRate: 0.1,
      momentum: 0.9,
      weightDecay: 0,
      dampening: 0,
      nesterov: true,
      maximize: false,
      nonFinite: 'apply',
      firstStep: 'mlx',
      masterWeights: false,
      device: 'auto',
      leaves: 1,
      pending: 0,
    };
    expect(JSON.parse(JSON.stringify(optimizer))).toEqual(told);
    expect(inspect(optimizer, { breakLength: Infinity })).toBe(`SGD ${inspect(told, { breakLength: Infinity })}`);
    expect(inspect([optimizer], { breakLength: Infinity })).toContain('[ SGD { step: 1,');
  });
});

test('CheckpointDirectory names the optimizer that it misses', async () => {
  const checkpoints = new CheckpointDirectory('no-such-folder');
  const failure = {
    code: 'invalid-option',
    message: 'optimizer: expected an SGD, then { parameters }, received an object',
  };
  expect(await rejectionOf(checkpoints.save(parameters as never))).toMatchObject(failure);
  expect(await rejectionOf(checkpoints.load(parameters as never))).toMatchObject(failure);
});
