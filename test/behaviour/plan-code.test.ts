// Code of the user that runs inside a step (getters, schedules), other trees in turn, and a momentum that comes later.
import { SGD, zeros, zerosLike } from '../../lib/index';
import { failureOf, typeFailure } from '../helpers/failures';
import { bytesOf, detach, memoryOf, numbers } from '../helpers/memory';

const ones = (length = 1): Float32Array => new Float32Array(length).fill(1);
const GONE = 'its buffer was detached (transferred?) or shrunk';

describe('a getter that takes the memory of another leaf away', () => {
  /** A tree whose getter b runs `trap` at its `nth` reading. */
  function trapped(nth: number, trap: () => void, a: Float32Array): { a: Float32Array; readonly b: Float32Array } {
    const b = ones(4);
    let reads = 0;
    return {
      a,
      get b() {
        if (++reads === nth) trap();
        return b;
      },
    };
  }

  test.each([1, 2, 3])('at step %i', (nth) => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const a = ones(1 << 16);
    const parameters = trapped(
      nth,
      () => {
        detach(a);
      },
      a,
    );
    const gradients = { a: ones(1 << 16), b: ones(4) };
    for (let step = 1; step < nth; step++) optimizer.update(parameters, gradients);
    const before = memoryOf(optimizer);
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }),
    ).toEqual(typeFailure('detached', `parameters.a: ${GONE}`));
    expect(memoryOf(optimizer)).toBe(before);
  });

  test('in the gradients, of a parameter', () => {
    const optimizer = new SGD(1);
    const parameters = { a: ones(1 << 16), b: ones(4) };
    const gradients = trapped(
      2,
      () => {
        detach(parameters.a);
      },
      ones(1 << 16),
    );
    optimizer.update(parameters, gradients);
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }),
    ).toMatchObject({ code: 'detached' });
    expect(numbers(parameters.b)).toEqual([0, 0, 0, 0]);
  });

  test('a schedule that does so', () => {
    const parameter = ones(1 << 16);
    const optimizer = new SGD((step) => {
      if (step === 1) detach(parameter);
      return 1;
    });
    const gradient = ones(1 << 16);
    optimizer.update(parameter, gradient);
    expect(
      failureOf(() => {
        optimizer.update(parameter, gradient);
      }),
    ).toEqual(typeFailure('detached', `parameters: ${GONE}`));
    expect(optimizer.step).toBe(1);
  });
});

describe('what is kept', () => {
  test('reads a getter once per step', () => {
    const leaf = ones();
    let reads = 0;
    const parameters = {
      get w() {
        reads++;
        return leaf;
      },
    };
    const optimizer = new SGD(1);
    const gradients = { w: ones() };
    for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
    expect(reads).toBe(3);
  });

  test('does not outlive its trees: others in turn give the same as optimizers of their own', () => {
    const [one, other] = [{ w: ones() }, { w: ones() }];
    const gradients = { w: ones() };
    const optimizer = new SGD(1);
    for (let i = 0; i < 3; i++) {
      optimizer.update(one, gradients);
      if (i < 2) optimizer.update(other, gradients);
    }
    expect([one.w[0], other.w[0]]).toEqual([-2, -1]);
  });

  test('is the optimizer’s own', () => {
    const parameters = { w: ones() };
    const gradients = { w: ones() };
    const [a, b] = [new SGD(1, { momentum: 0.5 }), new SGD(1, { momentum: 0.5 })];
    for (let i = 0; i < 2; i++) for (const optimizer of [a, b]) optimizer.update(parameters, gradients);
    expect(parameters.w[0]).toBe(-4);
    expect(memoryOf(a)).toBe(memoryOf(b));
  });

  test('takes hyperparameters as they are at the step', () => {
    const optimizer = new SGD(1);
    const parameter = ones();
    const gradient = ones();
    const moved: number[] = [];
    for (const change of [() => 0, () => (optimizer.learningRate = 0.5), () => (optimizer.weightDecay = 1)]) {
      change();
      const before = parameter[0];
      optimizer.update(parameter, gradient);
      moved.push(before - parameter[0]);
    }
    expect(moved).toEqual([1, 0.5, 0.25]);
  });
});

describe('a momentum that comes later', () => {
  test('begins with zero velocities, on the same arrays', () => {
    const optimizer = new SGD(1);
    const parameters = zeros({ w: 2, b: 3 });
    const gradients = zerosLike(parameters);
    gradients.w.data.fill(1);
    optimizer.update(parameters, gradients);
    optimizer.momentum = 0.5;
    optimizer.update(parameters, gradients);
    optimizer.update(parameters, gradients);
    expect(numbers(parameters.w.data)).toEqual([-3.5, -3.5]);
    optimizer.momentum = -1;
    const before = bytesOf(optimizer.state.parameters);
    optimizer.update(parameters, gradients);
    expect(bytesOf(optimizer.state.parameters)).toBe(before);
    expect(numbers(parameters.w.data)).toEqual([-4.5, -4.5]);
  });

  test('is used on velocities that a state brought', () => {
    const optimizer = new SGD(1);
    const parameters = { w: ones() };
    optimizer.update(parameters, { w: ones() });
    optimizer.state = { step: 1, learningRate: 1, parameters: { w: { v: new Float32Array([8]) } } };
    optimizer.update(parameters, { w: ones() });
    expect(parameters.w[0]).toBe(-1);
    optimizer.momentum = 0.5;
    optimizer.update(parameters, { w: ones() });
    expect(parameters.w[0]).toBe(-6);
  });

  test('changed by a getter inside the step', () => {
    const optimizer = new SGD(1);
    const leaf = ones();
    const parameters = {
      get w() {
        if (optimizer.step === 1) optimizer.momentum = 0.5;
        return leaf;
      },
    };
    const gradients = { w: ones() };
    for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
    expect(leaf[0]).toBe(-2.5);
  });
});
