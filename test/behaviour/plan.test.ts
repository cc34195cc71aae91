// What is kept while the same arrays come back: each change is noticed by the next step.
import { clone, SGD, type Tensor, zeros, zerosLike } from '../../lib/index';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { loose } from '../helpers/loose';
import { bytesOf, detach, memoryOf, numbers } from '../helpers/memory';

const ones = (length = 2): Float32Array => new Float32Array(length).fill(1);

interface Trees {
  parameters: { a: Float32Array; t: Tensor<'float32'>; list: Float32Array[] };
  gradients: { a: Float32Array; t: Tensor<'float32'>; list: Float32Array[] };
}

/** An optimizer with two steps behind it, the second from what it had kept, and the objects of those steps. */
function warm(): Trees & { optimizer: SGD } {
  const optimizer = new SGD(1, { momentum: 0.5 });
  const tensor = (): Tensor<'float32'> => ({ data: ones(), shape: [2], dtype: 'float32' });
  const parameters = { a: ones(), t: tensor(), list: [ones(), ones()] };
  const gradients = { a: ones(), t: tensor(), list: [ones(), ones()] };
  optimizer.update(parameters, gradients);
  optimizer.update(parameters, gradients);
  expect(numbers(parameters.a)).toEqual([-1.5, -1.5]);
  return { optimizer, parameters, gradients };
}

/** The failure of the next step, after checking that it has changed nothing. */
function failureAfter(change: (trees: Trees) => void): unknown {
  const { optimizer, ...trees } = warm();
  change(trees);
  const { list } = trees.parameters;
  const before = memoryOf(optimizer) + bytesOf(list);
  const failure = failureOf(() => loose(optimizer).update(trees.parameters, trees.gradients));
  expect(memoryOf(optimizer) + bytesOf(list)).toBe(before);
  return failure;
}

const GONE = 'its buffer was detached (transferred?) or shrunk';

describe('a leaf', () => {
  test('that was replaced is written, and the old one rests', () => {
    const { optimizer, parameters, gradients } = warm();
    const old = parameters.a;
    parameters.a = ones();
    optimizer.update(parameters, gradients);
    expect([...numbers(old), ...numbers(parameters.a)]).toEqual([-1.5, -1.5, -0.75, -0.75]);
  });

  test('that was replaced among the gradients is read', () => {
    const { optimizer, parameters, gradients } = warm();
    gradients.list[1] = new Float32Array([5, 6]);
    optimizer.update(parameters, gradients);
    expect(numbers(parameters.list[1])).toEqual([-7.25, -8.25]);
  });

  test.each<[string, (trees: Trees) => void, unknown]>([
    [
      'detached',
      ({ parameters }) => {
        detach(parameters.a);
      },
      typeFailure('detached', `parameters.a: ${GONE}`),
    ],
    [
      'detached among the gradients',
      ({ gradients }) => {
        detach(gradients.a);
      },
      typeFailure('detached', `gradients.a: ${GONE}`),
    ],
    [
      'detached in a tensor',
      ({ parameters }) => {
        detach(parameters.t.data);
      },
      typeFailure('detached', `parameters.t: ${GONE}`),
    ],
    [
      'replaced by a longer one',
      ({ parameters }) => {
        parameters.a = ones(3);
      },
      rangeFailure('length-mismatch', 'gradients.a: expected 3 elements as parameters.a, received 2'),
    ],
    [
      'replaced by a string',
      (trees) => {
        Object.assign(trees.gradients, { a: 'x' });
      },
      expect.objectContaining({ name: 'TypeError', code: 'invalid-leaf' }),
    ],
    [
      'tied to another',
      ({ parameters }) => {
        parameters.a = parameters.t.data;
      },
      expect.objectContaining({ code: 'memory-overlap' }),
    ],
  ])('%s is an error', (_, change, failure) => {
    expect(failureAfter(change)).toEqual(failure);
  });
});

describe('resizable memory', () => {
  /** A view of 4 floats in a buffer of `room`, of which it takes what there is if `tracking`. */
  function resizable(tracking: boolean): { view: Float32Array; resize: (bytes: number) => void } {
    const buffer = new ArrayBuffer(16, { maxByteLength: 64 });
    const view = tracking ? new Float32Array(buffer) : new Float32Array(buffer, 0, 4);
    return {
      view,
      resize: (bytes) => {
        buffer.resize(bytes);
      },
    };
  }

  test.each([true, false])('shrunk, and grown again (length-tracking: %p)', (tracking) => {
    const optimizer = new SGD(1);
    const { view, resize } = resizable(tracking);
    optimizer.update(view, ones(4));
    resize(8);
    const { name, message } = failureOf(() => {
      optimizer.update(view, ones(4));
    });
    expect(`${name}: ${message}`).toBe(
      tracking
        ? 'RangeError: gradients: expected 2 elements as parameters, received 4'
        : `TypeError: parameters: ${GONE}`,
    );
    resize(16);
    optimizer.update(view, ones(4));
    expect(numbers(view)).toEqual([-2, -2, -1, -1]);
    expect(optimizer.step).toBe(2);
  });

  test('grown under a length-tracking view', () => {
    const optimizer = new SGD(1);
    const { view, resize } = resizable(true);
    const gradient = ones(4);
    optimizer.update(view, gradient);
    resize(32);
    expect(
      failureOf(() => {
        optimizer.update(view, gradient);
      }),
    ).toEqual(rangeFailure('length-mismatch', 'gradients: expected 8 elements as parameters, received 4'));
    expect(numbers(view)).toEqual([-1, -1, -1, -1, 0, 0, 0, 0]);
  });

  test('grown under a view of fixed length goes on', () => {
    const optimizer = new SGD(1);
    const { view, resize } = resizable(false);
    const gradient = ones(4);
    optimizer.update(view, gradient);
    resize(64);
    optimizer.update(view, gradient);
    expect(numbers(view)).toEqual([-2, -2, -2, -2]);
  });

  test('shared, and grown', () => {
    const buffer = new SharedArrayBuffer(8, { maxByteLength: 16 });
    const view = new Float32Array(buffer);
    const optimizer = new SGD(1);
    const gradient = ones();
    optimizer.update(view, gradient);
    buffer.grow(16);
    expect(
      failureOf(() => {
        optimizer.update(view, gradient);
      }),
    ).toEqual(rangeFailure('length-mismatch', 'gradients: expected 4 elements as parameters, received 2'));
    expect(numbers(view)).toEqual([-1, -1, 0, 0]);
  });
});

describe('a tensor', () => {
  test('whose data were replaced', () => {
    const { optimizer, parameters, gradients } = warm();
    const old = parameters.t.data;
    Object.assign(parameters.t, { data: ones() });
    optimizer.update(parameters, gradients);
    expect([...numbers(old), ...numbers(parameters.t.data)]).toEqual([-1.5, -1.5, -0.75, -0.75]);
  });

  const WHOLE = 'expected an array of whole numbers from 0';
  test.each<[string, (trees: Trees) => void, unknown]>([
    [
      'replaced shape',
      ({ parameters }) => Object.assign(parameters.t, { shape: [1, 2] }),
      rangeFailure('shape-mismatch', 'gradients.t: expected shape [1, 2] as parameters.t, received [2]'),
    ],
    [
      'changed shape',
      ({ gradients }) => (gradients.t.shape as number[]).push(1),
      rangeFailure('shape-mismatch', 'gradients.t: expected shape [2] as parameters.t, received [2, 1]'),
    ],
    [
      'changed axis',
      ({ gradients }) => ((gradients.t.shape as number[])[0] = 3),
      rangeFailure('invalid-shape', 'gradients.t.data: expected 3 elements for shape [3], received 2'),
    ],
    [
      'no shape',
      ({ gradients }) => Object.assign(gradients.t, { shape: undefined }),
      typeFailure('invalid-shape', `gradients.t.shape: ${WHOLE}, received undefined`),
    ],
    [
      'deleted shape',
      ({ parameters }) => Reflect.deleteProperty(parameters.t, 'shape'),
      typeFailure('invalid-shape', `parameters.t.shape: ${WHOLE}, received undefined`),
    ],
    [
      'other dtype',
      ({ parameters }) => Object.assign(parameters.t, { dtype: 'bfloat16' }),
      typeFailure(
        'invalid-leaf',
        'parameters.t.data: expected Uint16Array for dtype bfloat16, received Float32Array of length 2',
      ),
    ],
    [
      'deleted data',
      ({ parameters }) => Reflect.deleteProperty(parameters.t, 'data'),
      expect.objectContaining({ name: 'TypeError', code: 'invalid-leaf' }),
    ],
  ])('with a %s is an error', (_, change, failure) => {
    expect(failureAfter(change)).toEqual(failure);
  });
});

describe('a shape that is frozen', () => {
  const mismatch = rangeFailure('shape-mismatch', 'gradients.0: expected shape [2] as parameters.0, received [2, 1]');

  /** The failure of the third step, before which `change` was made. */
  function failureWith(gradients: Tensor[], change: () => void): unknown {
    const parameters = zeros([[2]]) as Tensor[];
    const optimizer = new SGD(1, { momentum: 0.5 });
    for (let step = 0; step < 2; step++) optimizer.update(parameters, gradients);
    change();
    return failureOf(() => loose(optimizer).update(parameters, gradients));
  }

  test('as those of zeros, zerosLike, clone and applyGradients are', () => {
    const [made] = zeros([[2]]);
    const [like] = zerosLike([made]);
    const [copy] = clone([made]);
    const [next] = new SGD(1).applyGradients([like], [made]);
    expect([made, like, copy, next].map(({ shape }) => Object.isFrozen(shape))).toEqual([true, true, true, true]);
  });

  test('and was replaced: an error', () => {
    const gradients = zeros([[2]]) as Tensor[];
    const change = (): object => Object.assign(gradients[0], { shape: [2, 1] });
    expect(failureWith(gradients, change)).toEqual(mismatch);
  });

  test('but for a getter: each step looks into it', () => {
    let axis = 2;
    const shape = Object.freeze(Object.defineProperty([2], 0, { get: () => axis, enumerable: true }));
    const change = (): number => (axis = 3);
    expect(failureWith([{ data: ones(), shape, dtype: 'float32' }], change)).toEqual(
      rangeFailure('invalid-shape', 'gradients.0.data: expected 3 elements for shape [3], received 2'),
    );
  });
});

describe('keys and items', () => {
  test('added to both trees', () => {
    const { optimizer, parameters, gradients } = warm();
    const b = ones();
    loose(optimizer).update(Object.assign(parameters, { b }), Object.assign(gradients, { b: ones() }));
    parameters.list.push(ones());
    gradients.list.push(ones());
    optimizer.update(parameters, gradients);
    expect([b[0], parameters.list[2][0], parameters.a[0]]).toEqual([-1.5, 0, -5.125]);
  });

  test('added to the parameters alone, and tied', () => {
    expect(failureAfter(({ parameters }) => Object.assign(parameters, { b: parameters.a }))).toMatchObject({
      code: 'memory-overlap',
    });
  });

  test.each<[string, (trees: Trees) => void, string]>([
    ['added to the gradients', ({ gradients }) => Object.assign(gradients, { b: ones() }), 'gradients.b'],
    ['deleted from the parameters', ({ parameters }) => Reflect.deleteProperty(parameters, 'a'), 'gradients.a'],
    ['shrunk in the parameters', ({ parameters }) => parameters.list.pop(), 'gradients.list.1'],
  ])('%s: an error', (_, change, path) => {
    expect(failureAfter(change)).toEqual(
      rangeFailure(
        'missing-parameter',
        `${path}: parameters has no leaf at this path; remove the gradient, or add the parameter`,
      ),
    );
  });

  test('an item that became a hole: an error', () => {
    expect(failureAfter(({ gradients }) => Reflect.deleteProperty(gradients.list, 0))).toEqual(
      typeFailure('invalid-tree', 'gradients.list.0: expected an item, received a hole'),
    );
  });

  test('deleted from the gradients: the parameter rests', () => {
    const { optimizer, parameters, gradients } = warm();
    Reflect.deleteProperty(gradients, 'a');
    gradients.list.pop();
    optimizer.update(parameters, gradients);
    expect([parameters.a[0], parameters.t.data[0], parameters.list[0][0], parameters.list[1][0]]).toEqual([
      -1.5, -3.25, -3.25, -1.5,
    ]);
  });

  test('in another order, with the arrays exchanged', () => {
    const optimizer = new SGD(1);
    const parameters: Record<string, Float32Array> = { a: ones(1), b: ones(1) };
    const gradients: Record<string, Float32Array> = { a: new Float32Array([2]), b: new Float32Array([3]) };
    optimizer.update(parameters, gradients);
    const { a, b } = gradients;
    delete gradients['a'];
    delete gradients['b'];
    Object.assign(gradients, { b: a, a: b });
    optimizer.update(parameters, gradients);
    expect([parameters['a'][0], parameters['b'][0]]).toEqual([-4, -4]);
  });
});
