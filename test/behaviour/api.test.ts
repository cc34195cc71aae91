// What each method and property of the optimizer does, beyond its arithmetic.
import { clone, devices, SGD, zeros, zerosLike } from '../../lib/index';
import { WITHOUT_NORM } from '../helpers/lastRun';
import { bytesOf, memoryOf, numbers } from '../helpers/memory';

const ones = (length: number): Float32Array => new Float32Array(length).fill(1);

function model(): { w: Float32Array; layers: { b: Float32Array }[] } {
  return { w: new Float32Array([1, 2, 3]), layers: [{ b: new Float32Array([4, 5]) }] };
}

function gradientsOf(value: number): { w: Float32Array; layers: { b: Float32Array }[] } {
  return { w: new Float32Array(3).fill(value), layers: [{ b: new Float32Array(2).fill(value) }] };
}

describe('update', () => {
  test('writes the parameter arrays in place and reads the gradients only', () => {
    const parameters = model();
    const gradients = gradientsOf(2);
    const before = bytesOf(gradients);
    const optimizer = new SGD(0.5, { weightDecay: 1 });
    optimizer.update(parameters, gradients);
    expect(numbers(parameters.w)).toEqual([-0.5, 0, 0.5]);
    expect(numbers(parameters.layers[0].b)).toEqual([1, 1.5]);
    expect(bytesOf(gradients)).toBe(before);
    expect(optimizer.step).toBe(1);
  });

  test('leaves parameters without a gradient as they are', () => {
    const parameters = model();
    new SGD(1, { momentum: 0.9, weightDecay: 1 }).update(parameters, { layers: [{ b: new Float32Array(2) }] });
    expect(numbers(parameters.w)).toEqual([1, 2, 3]);
    expect(numbers(parameters.layers[0].b)).toEqual([0, 0]);
  });

  test('a step without any gradient counts', () => {
    const optimizer = new SGD(1);
    optimizer.update(model(), {});
    expect(optimizer.step).toBe(1);
  });

  test('takes every dtype, bare or shaped', () => {
    const optimizer = new SGD(1, { device: 'cpu', momentum: 0.5 });
    const one = { float64: 1, float16: 0x3c00, bfloat16: 0x3f80 };
    for (const dtype of ['float64', 'float16', 'bfloat16'] as const) {
      const [parameters, gradients] = [zeros({ [dtype]: 2 }, dtype), zeros({ [dtype]: 2 }, dtype)];
      gradients[dtype].data.fill(one[dtype]);
      optimizer.update(parameters, gradients);
      expect(numbers(parameters[dtype].data)).toEqual(Array(2).fill(dtype === 'float64' ? -1 : one[dtype] + 0x8000));
    }
    const bare = new Float64Array([1]);
    optimizer.update({ bare }, { bare: new Float64Array([0.1]) });
    expect(bare[0]).toBe(0.9);
  });

  test('takes tensors beside bare arrays', () => {
    const parameters = zeros({ w: [1, 3] });
    new SGD(1).update(parameters, { w: ones(3) });
    expect(numbers(parameters.w.data)).toEqual([-1, -1, -1]);
  });
});

describe('applyGradients', () => {
  test('returns new arrays in the structure of the gradients, and leaves both trees alone', () => {
    const parameters = { ...model(), head: zeros([2, 2]) };
    const gradients = { head: ones(4), w: ones(3) };
    const before = bytesOf([parameters, gradients]);
    const optimizer = new SGD(0.5, { momentum: 0.5 });
    const result = optimizer.applyGradients(gradients, parameters);
    expect(Object.keys(result)).toEqual(['head', 'w']);
    expect(numbers(result.w ?? [])).toEqual([0.5, 1.5, 2.5]);
    expect(result.head).toEqual({ data: new Float32Array(4).fill(-0.5), shape: [2, 2], dtype: 'float32' });
    expect(bytesOf([parameters, gradients])).toBe(before);
    expect(optimizer.step).toBe(1);
    expect(bytesOf(optimizer.state.parameters)).toBe(bytesOf({ head: { v: onesTensor([2, 2]) }, w: { v: ones(3) } }));
  });

  test('gives ordinary arrays for ordinary parameters and shared ones for shared parameters', () => {
    const parameters = { plain: ones(2), shared: clone(ones(2)), tensor: zeros(2) };
    const result = new SGD(1).applyGradients({ plain: ones(2), shared: ones(2), tensor: ones(2) }, parameters);
    expect(Object.prototype.toString.call(result.plain.buffer)).toBe('[object ArrayBuffer]');
    expect(Object.prototype.toString.call(result.shared.buffer)).toBe('[object SharedArrayBuffer]');
    expect(Object.prototype.toString.call(result.tensor.data.buffer)).toBe('[object SharedArrayBuffer]');
    expect(result.plain.byteLength).toBe(result.plain.buffer.byteLength);
  });

  test('runs no code of a subclass to copy a parameter', () => {
    class Hostile extends Float32Array {
      static get [Symbol.species](): Float32ArrayConstructor {
        throw new Error('asked for its species');
      }
    }
    const result = new SGD(1).applyGradients({ w: ones(2) }, { w: new Hostile(2) });
    expect(numbers(result.w)).toEqual([-1, -1]);
  });

  test('steps as update does, velocities included', () => {
    const inPlace = model();
    let returned = model();
    const [a, b] = [new SGD(0.1, { momentum: 0.9 }), new SGD(0.1, { momentum: 0.9 })];
    for (const value of [1, -2, 3]) {
      a.update(inPlace, gradientsOf(value));
      returned = b.applyGradients(gradientsOf(value), returned);
    }
    expect(bytesOf(returned)).toBe(bytesOf(inPlace));
    expect(memoryOf(b)).toBe(memoryOf(a));
  });
});

/** A tensor of ones, as a velocity after one step with unit gradients is. */
function onesTensor(shape: readonly number[]): unknown {
  const tensor = zeros(shape);
  tensor.data.fill(1);
  return tensor;
}

describe('init, initSingle and applySingle', () => {
  test('init makes zero velocities in the structure of the parameters, and keeps those that are there', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters = model();
    optimizer.update(parameters, { w: ones(3) });
    optimizer.init(parameters);
    expect(optimizer.state.parameters).toEqual({
      w: { v: ones(3) },
      layers: [{ b: { v: new Float32Array(2) } }],
    });
    expect(optimizer.step).toBe(1);
  });

  test('init makes none without a momentum', () => {
    const optimizer = new SGD(1);
    optimizer.init(model());
    expect(optimizer.state.parameters).toEqual({ w: {}, layers: [{ b: {} }] });
  });

  test('initSingle gives the state a zero velocity like the parameter', () => {
    const state: { v?: Float32Array } = {};
    new SGD(1, { momentum: 0.5 }).initSingle(zeros([2, 3]), state);
    expect(state.v).toEqual(zeros([2, 3]));
    const none = {};
    new SGD(1).initSingle(zeros(2), none);
    expect(none).toEqual({});
  });

  test('applySingle returns a new array, writes v in place and does not count as a step', () => {
    const optimizer = new SGD(0.5, { momentum: 0.5 });
    const parameter = ones(2);
    const gradient = ones(2);
    const v = new Float32Array([2, 4]);
    const state = { v };
    const result = optimizer.applySingle(gradient, parameter, state);
    expect(numbers(result)).toEqual([0, -0.5]);
    expect(state.v).toBe(v);
    expect(numbers(v)).toEqual([2, 3]);
    expect([...numbers(parameter), ...numbers(gradient)]).toEqual([1, 1, 1, 1]);
    expect(optimizer.step).toBe(0);
    expect(optimizer.state.parameters).toEqual({});
  });

  test('applySingle makes the velocity that is missing; without momentum it leaves the state alone', () => {
    const made: { v?: Float32Array } = {};
    new SGD(1, { momentum: 0.5 }).applySingle(ones(2), ones(2), made);
    expect(numbers(made.v ?? [])).toEqual([1, 1]);
    const rests = { v: ones(2) };
    new SGD(1).applySingle(ones(2), ones(2), rests);
    expect(numbers(rests.v)).toEqual([1, 1]);
  });

  test('applySingle takes a frozen state that holds v', () => {
    const state = Object.freeze({ v: ones(2) });
    new SGD(1, { momentum: 0.5 }).applySingle(ones(2), ones(2), state);
    expect(numbers(state.v)).toEqual([1.5, 1.5]);
  });

  test('applySingle uses the present learning rate', () => {
    const optimizer = new SGD((step) => 1 / (step + 1));
    optimizer.update(ones(1), ones(1));
    optimizer.update(ones(1), ones(1));
    expect(numbers(optimizer.applySingle(ones(1), ones(1), {}))).toEqual([0.5]);
  });
});

describe('lastRun, device and devices', () => {
  test('lastRun says where the last step ran', () => {
    const optimizer = new SGD(1, { device: 'cpu' });
    expect(optimizer.lastRun).toBeUndefined();
    optimizer.update(ones(1), ones(1));
    expect(optimizer.lastRun).toEqual({
      device: 'cpu',
      reason: "device is 'cpu'",
      copiedBytes: 0,
      gpuSeconds: 0,
      ...WITHOUT_NORM,
    });
  });

  test('device is what was asked for', () => {
    expect(new SGD(1).device).toBe('auto');
    expect(new SGD(1, { device: 'cpu' }).device).toBe('cpu');
  });

  test('devices lists the CPU with its threads', () => {
    const cpu = devices().find(({ type }) => type === 'cpu');
    const some = { instructionSet: expect.stringMatching(/\w+/) as string, threads: expect.any(Number) as number };
    expect(cpu).toEqual({ type: 'cpu', name: process.arch, ...some });
  });
});

test('zerosLike and clone give arrays of their own', () => {
  const tree = model();
  const copy = clone(tree);
  const empty = zerosLike(tree);
  tree.w.fill(9);
  expect(copy).toEqual(model());
  expect(empty).toEqual({ w: new Float32Array(3), layers: [{ b: new Float32Array(2) }] });
});
