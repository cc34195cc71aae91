// Hyperparameters, schedules, `step` and `state` as properties of the optimizer.
import { clone, cosineDecay, joinSchedules, SGD, zeros } from '../../lib/index';
import { failureOf } from '../helpers/failures';
import { bytesOf, memoryOf, numbers } from '../helpers/memory';

const one = (): Float32Array => new Float32Array([1]);

/** By how much one step with a unit gradient moves a parameter. */
function stride(optimizer: SGD): number {
  const parameter = new Float32Array([0]);
  optimizer.update(parameter, one());
  return -parameter[0];
}

describe('learningRate', () => {
  test('a number can be read and assigned', () => {
    const optimizer = new SGD(0.5);
    expect(stride(optimizer)).toBe(0.5);
    optimizer.learningRate = 0.25;
    expect(optimizer.learningRate).toBe(0.25);
    expect(stride(optimizer)).toBe(0.25);
  });

  test('a schedule is asked with the number of completed steps', () => {
    const asked: number[] = [];
    const optimizer = new SGD((step) => {
      asked.push(step);
      return 1 / 2 ** step;
    });
    expect(asked).toEqual([0]);
    expect(optimizer.learningRate).toBe(1);
    asked.length = 0;
    expect([stride(optimizer), stride(optimizer), stride(optimizer)]).toEqual([1, 0.5, 0.25]);
    expect(asked).toEqual([0, 1, 2]);
    expect(optimizer.learningRate).toBe(0.25);
    optimizer.step = 7;
    expect(stride(optimizer)).toBe(1 / 128);
  });

  test('applyGradients asks the schedule too', () => {
    const optimizer = new SGD((step) => step + 1);
    const parameter = new Float32Array(1);
    expect(numbers(optimizer.applyGradients(one(), parameter))).toEqual([-1]);
    expect(numbers(optimizer.applyGradients(one(), parameter))).toEqual([-2]);
  });

  test('a number that is assigned ends a schedule', () => {
    const optimizer = new SGD(cosineDecay(1, 10));
    stride(optimizer);
    optimizer.learningRate = 0.5;
    expect([stride(optimizer), stride(optimizer)]).toEqual([0.5, 0.5]);
  });

  test('a schedule can be assigned, and goes on from the present step', () => {
    const optimizer = new SGD(1);
    stride(optimizer);
    optimizer.learningRate = (step) => step / 4;
    expect(optimizer.learningRate).toBe(0.25);
    expect([stride(optimizer), stride(optimizer)]).toEqual([0.25, 0.5]);
  });

  test('a joined schedule asks the active one only, in its own steps', () => {
    const asked: string[] = [];
    const named = (name: string) => (step: number) => {
      asked.push(`${name}${String(step)}`);
      return 1;
    };
    const optimizer = new SGD(joinSchedules([named('a'), named('b'), named('c')], [2, 3]));
    asked.length = 0;
    for (let i = 0; i < 5; i++) stride(optimizer);
    expect(asked).toEqual(['a0', 'a1', 'b0', 'c0', 'c1']);
  });

  test('a schedule that fails at a step names the step and changes nothing', () => {
    const optimizer = new SGD((step) => (step === 2 ? NaN : 1), { momentum: 0.5 });
    const parameter = one();
    optimizer.update(parameter, one());
    optimizer.update(parameter, one());
    const before = memoryOf(optimizer) + bytesOf(parameter);
    expect(
      failureOf(() => {
        optimizer.update(parameter, one());
      }),
    ).toEqual({
      name: 'RangeError',
      code: 'invalid-hyperparameter',
      message: 'learningRate at step 2: expected a finite number, received NaN',
    });
    expect(memoryOf(optimizer) + bytesOf(parameter)).toBe(before);
  });
});

describe('momentum, weightDecay, dampening and nesterov', () => {
  test('default to MLX’s values', () => {
    const { momentum, weightDecay, dampening, nesterov } = new SGD(1);
    expect({ momentum, weightDecay, dampening, nesterov }).toEqual({
      momentum: 0,
      weightDecay: 0,
      dampening: 0,
      nesterov: false,
    });
  });

  test('undefined options are their defaults', () => {
    const optimizer = new SGD(1, { momentum: undefined, nesterov: undefined, device: undefined });
    expect([optimizer.momentum, optimizer.nesterov, optimizer.device]).toEqual([0, false, 'auto']);
  });

  test('take effect from the next step on', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameter = new Float32Array([8]);
    const gradient = one();
    const after = (): number => {
      optimizer.update(parameter, gradient);
      return parameter[0];
    };
    expect(after()).toBe(7); // v = 1
    optimizer.momentum = 0.25;
    expect(after()).toBe(5.75); // v = 1.25
    optimizer.nesterov = true;
    expect(after()).toBe(4.421875); // v = 1.3125, u = 1 + 0.25 v
    optimizer.nesterov = false;
    optimizer.dampening = 0.5;
    expect(after()).toBe(3.59375); // v = 0.328125 + 0.5
    optimizer.weightDecay = 2;
    expect(after()).toBe(-0.70703125); // g' = 8.1875, v = 0.20703125 + 4.09375
    expect(optimizer.step).toBe(5);
  });

  test('without a momentum velocities rest, and are taken up again', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    stride(optimizer);
    optimizer.momentum = 0;
    expect([stride(optimizer), stride(optimizer)]).toEqual([1, 1]);
    expect(optimizer.state.parameters).toEqual({ v: one() });
    optimizer.momentum = 0.5;
    expect(stride(optimizer)).toBe(1.5);
  });

  test('a velocity is made only once there is a momentum', () => {
    const optimizer = new SGD(1);
    stride(optimizer);
    expect(optimizer.state.parameters).toEqual({});
    optimizer.momentum = 0.5;
    expect([stride(optimizer), stride(optimizer)]).toEqual([1, 1.5]);
  });
});

describe('step', () => {
  test('can be assigned', () => {
    const optimizer = new SGD(1);
    optimizer.step = 41;
    stride(optimizer);
    expect(optimizer.step).toBe(42);
  });
});

describe('state', () => {
  const tree = (): { a: Float32Array; list: ReturnType<typeof zeros<2>>[] } => ({ a: one(), list: [zeros(2)] });

  function trained(): { optimizer: SGD; parameters: ReturnType<typeof tree> } {
    const optimizer = new SGD(0.5, { momentum: 0.5 });
    const parameters = tree();
    for (let i = 0; i < 3; i++) optimizer.update(parameters, { a: one(), list: [new Float32Array([2, 4])] });
    return { optimizer, parameters };
  }

  test('reads as the live velocities in the structure of the parameters', () => {
    const { optimizer, parameters } = trained();
    const {
      step,
      learningRate,
      parameters: velocities,
    } = optimizer.state as unknown as {
      step: number;
      learningRate: number;
      parameters: { a: { v: Float32Array }; list: { v: { data: Float32Array } }[] };
    };
    expect({ step, learningRate }).toEqual({ step: 3, learningRate: 0.5 });
    expect(numbers(velocities.a.v)).toEqual([1.75]);
    expect(numbers(velocities.list[0].v.data)).toEqual([3.5, 7]);
    optimizer.update(parameters, { a: one() });
    expect(numbers(velocities.a.v)).toEqual([1.875]);
  });

  test('is copied in when it is assigned, so that both go on alike and apart', () => {
    const { optimizer, parameters } = trained();
    const twin = new SGD(9, { momentum: 0.5 });
    twin.state = optimizer.state;
    expect(memoryOf(twin)).toBe(memoryOf(optimizer));
    const others = clone(parameters);
    twin.update(others, { a: one() });
    expect(numbers((optimizer.state.parameters as { a: { v: Float32Array } }).a.v)).toEqual([1.75]);
    optimizer.update(parameters, { a: one() });
    expect(bytesOf(others)).toBe(bytesOf(parameters));
    expect(memoryOf(twin)).toBe(memoryOf(optimizer));
  });

  test('a clone of it brings an optimizer back to where it was', () => {
    const { optimizer, parameters } = trained();
    const saved = clone(optimizer.state);
    const before = memoryOf(optimizer);
    optimizer.update(parameters, { a: one() });
    expect(memoryOf(optimizer)).not.toBe(before);
    optimizer.state = saved;
    expect(memoryOf(optimizer)).toBe(before);
  });

  test('velocities that are assigned are the ones the next step uses, in the same arrays', () => {
    const { optimizer, parameters } = trained();
    const live = (optimizer.state.parameters as { a: { v: Float32Array } }).a.v;
    const state = clone(optimizer.state);
    (state.parameters as { a: { v: Float32Array } }).a.v[0] = 100;
    optimizer.state = state;
    expect(live[0]).toBe(100);
    parameters.a[0] = 0;
    optimizer.update(parameters, { a: one() });
    expect(parameters.a[0]).toBe(-25.5);
  });

  test('its own arrays, exchanged, are exchanged', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters = { a: one(), b: one() };
    optimizer.update(parameters, { a: one(), b: new Float32Array([5]) });
    const { a, b } = optimizer.state.parameters as { a: { v: Float32Array }; b: { v: Float32Array } };
    optimizer.state = { ...optimizer.state, parameters: { a: b, b: a } };
    expect([a.v[0], b.v[0]]).toEqual([5, 1]);
  });

  test('keeps a schedule, and replaces a number', () => {
    const scheduled = new SGD((step) => 1 / (step + 1));
    const constant = new SGD(1);
    for (const optimizer of [scheduled, constant]) optimizer.state = { step: 3, learningRate: 0.125, parameters: {} };
    expect([scheduled.learningRate, constant.learningRate]).toEqual([0.125, 0.125]);
    expect([stride(scheduled), stride(constant)]).toEqual([0.25, 0.125]);
  });

  test('an item of a list without a velocity keeps its place', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.state = { step: 0, learningRate: 1, parameters: [{}, { v: new Float32Array([8]) }] };
    const parameters = [one(), one()];
    optimizer.update(parameters, [one(), one()]);
    expect([parameters[0][0], parameters[1][0]]).toEqual([0, -4]);
  });

  test('a parameter named v is a branch of states', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters = { v: one() };
    optimizer.update(parameters, { v: one() });
    expect(optimizer.state.parameters).toEqual({ v: { v: one() } });
    const twin = new SGD(1, { momentum: 0.5 });
    twin.state = clone(optimizer.state);
    twin.update(parameters, { v: one() });
    expect(parameters.v[0]).toBe(-1.5);
  });
});
