// Bad hyperparameters, options, schedules and shapes: class, code and message, and that nothing has changed.
import { constants } from 'node:buffer';
import { cosineDecay, exponentialDecay, joinSchedules, linearSchedule, SGD, stepDecay, zeros } from '../../lib/index';
import { type Failure, failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { bytesOf, memoryOf } from '../helpers/memory';
import { trained } from '../helpers/trained';

const MLX_SENTENCE = 'Nesterov momentum requires a momentum and zero dampening.';

describe('numbers', () => {
  const wrong: [unknown, 'TypeError' | 'RangeError', string, string][] = [
    [NaN, 'RangeError', 'a finite number', 'NaN'],
    [Infinity, 'RangeError', 'a finite number', 'Infinity'],
    [-Infinity, 'RangeError', 'a finite number', '-Infinity'],
    [1e39, 'RangeError', 'a number that float32 can hold', '1e+39'],
    ['0.1', 'TypeError', 'a finite number', '"0.1"'],
    [null, 'TypeError', 'a finite number', 'null'],
    [1n, 'TypeError', 'a finite number', '1n'],
    [{}, 'TypeError', 'a finite number', 'an object'],
  ];
  const names = ['momentum', 'weightDecay', 'dampening'] as const;
  const rows = names.flatMap((property) => wrong.map((row) => [property, ...row] as const));

  test.each(rows)('%s %p', (property, value, name, expected, received) => {
    const failure = {
      name,
      code: 'invalid-hyperparameter',
      message: `${property}: expected ${expected}, received ${received}`,
    };
    expect(failureOf(() => new SGD(0.1, { [property]: value }))).toEqual(failure);
    const { optimizer } = trained();
    const before = memoryOf(optimizer);
    expect(failureOf(() => Reflect.set(optimizer, property, value))).toEqual(failure);
    expect(memoryOf(optimizer)).toBe(before);
  });

  test.each(wrong)('learning rate %p', (value, name, expected, received) => {
    const wanted = name === 'TypeError' ? 'a finite number or a function of the step' : expected;
    const hint = received === 'an object' ? '; parameters go to update' : '';
    const message = `learningRate: expected ${wanted}, received ${received}${hint}`;
    const failure = { name, code: 'invalid-hyperparameter', message };
    expect(failureOf(() => new SGD(value as number))).toEqual(failure);
    const { optimizer } = trained();
    const before = memoryOf(optimizer);
    expect(failureOf(() => Reflect.set(optimizer, 'learningRate', value))).toEqual(failure);
    expect(memoryOf(optimizer)).toBe(before);
  });

  test.each(wrong)('a schedule that returns %p', (value, name, expected, received) => {
    const message = (step: number): string =>
      `learningRate at step ${String(step)}: expected ${expected}, received ${received}`;
    const schedule = (): number => value as number;
    expect(failureOf(() => new SGD(schedule))).toEqual({ name, code: 'invalid-hyperparameter', message: message(0) });
    const { optimizer, parameters, gradients } = trained();
    const later = { name, code: 'invalid-hyperparameter', message: message(1) };
    const before = memoryOf(optimizer) + bytesOf(parameters);
    expect(failureOf(() => (optimizer.learningRate = schedule))).toEqual(later);
    expect(memoryOf(optimizer) + bytesOf(parameters)).toBe(before);
    optimizer.update(parameters, gradients);
    expect(optimizer.learningRate).toBe(0.5);
  });

  test('what float32 can hold is right, small numbers too', () => {
    for (const value of [3.4e38, -3.4e38, 1e-40, 1e-46, 0]) expect(new SGD(value).learningRate).toBe(value);
  });

  test.each([-1, 0.5, NaN, Infinity, 2 ** 53, '1', null])('step %p', (value) => {
    const { optimizer } = trained();
    const before = memoryOf(optimizer);
    expect(failureOf(() => Reflect.set(optimizer, 'step', value))).toEqual(
      rangeFailure(
        'invalid-state',
        `step: expected a whole number from 0, received ${typeof value === 'string' ? '"1"' : String(value)}`,
      ),
    );
    expect(memoryOf(optimizer)).toBe(before);
  });
});

describe('Nesterov', () => {
  const failure = rangeFailure('invalid-hyperparameter', MLX_SENTENCE);

  test.each([
    {},
    { momentum: 0 },
    { momentum: -1 },
    { momentum: 0.9, dampening: 0.1 },
    { momentum: 0.9, dampening: -1 },
  ])('with %p', (options) => {
    expect(failureOf(() => new SGD(0.1, { ...options, nesterov: true }))).toEqual(failure);
    const optimizer = new SGD(0.1, options);
    expect(failureOf(() => (optimizer.nesterov = true))).toEqual(failure);
    expect(optimizer.nesterov).toBe(false);
  });

  test.each([
    ['momentum', 0],
    ['dampening', 0.5],
  ])('when %s becomes %p later', (property, value) => {
    const optimizer = new SGD(0.1, { momentum: 0.9, nesterov: true });
    const before = memoryOf(optimizer);
    expect(failureOf(() => Reflect.set(optimizer, property, value))).toEqual(failure);
    expect(memoryOf(optimizer)).toBe(before);
  });

  test('is a boolean', () => {
    const message = 'nesterov: expected a boolean, received 1';
    expect(failureOf(() => new SGD(0.1, { nesterov: 1 as never }))).toEqual(
      typeFailure('invalid-hyperparameter', message),
    );
    const optimizer = new SGD(0.1, { momentum: 0.9 });
    expect(failureOf(() => Reflect.set(optimizer, 'nesterov', 1))).toEqual(
      typeFailure('invalid-hyperparameter', message),
    );
  });
});

describe('options', () => {
  const known =
    'momentum, weightDecay, dampening, nesterov, maximize, clipValue, maxNorm, nonFinite, emaDecay, firstStep, groups, trainable, masterWeights, lossScale, device, world';
  test.each<[string, unknown, Failure]>([
    [
      'an unknown key',
      { learning_rate: 1 },
      rangeFailure('invalid-option', `options: expected only ${known}, received "learning_rate"`),
    ],
    [
      'an unknown device',
      { device: 'cuda' },
      rangeFailure('invalid-option', 'device: expected auto, gpu, cpu, received "cuda"'),
    ],
    ['null', null, typeFailure('invalid-option', 'options: expected an object, received null')],
    ['a number', 0.9, typeFailure('invalid-option', 'options: expected an object, received 0.9')],
  ])('%s', (_, options, failure) => {
    expect(failureOf(() => new SGD(0.1, options as object))).toEqual(failure);
  });
});

describe('schedules', () => {
  const one = (): number => 1;
  test.each<[string, () => unknown, Failure]>([
    [
      'a string',
      () => cosineDecay('1' as never, 2),
      typeFailure('invalid-schedule', 'initial: expected a finite number, received "1"'),
    ],
    [
      'NaN',
      () => exponentialDecay(1, NaN),
      rangeFailure('invalid-schedule', 'decayRate: expected a finite number, received NaN'),
    ],
    [
      'a missing number',
      () => (stepDecay as (...args: number[]) => unknown)(1, 2),
      typeFailure('invalid-schedule', 'stepSize: expected a finite number, received undefined'),
    ],
    [
      'no steps',
      () => linearSchedule(0, 1, 0),
      rangeFailure('invalid-schedule', 'steps must be greater than 0, but got 0.'),
    ],
    [
      'no steps between decays',
      () => stepDecay(1, 0.5, 0),
      rangeFailure('invalid-schedule', 'step_size must be greater than 0, but got 0.'),
    ],
    [
      'half a step between decays',
      () => stepDecay(1, 0.5, 0.5),
      rangeFailure('invalid-schedule', 'step_size must be greater than 0, but got 0.5.'),
    ],
    [
      'no steps of a decay',
      () => cosineDecay(1, 0),
      rangeFailure('invalid-schedule', 'decay_steps must be greater than 0, but got 0.'),
    ],
    [
      'fewer steps of a decay than none',
      () => cosineDecay(1, -3, 0.1),
      rangeFailure('invalid-schedule', 'decay_steps must be greater than 0, but got -3.'),
    ],
    [
      'nothing to join',
      () => joinSchedules([], []),
      rangeFailure('invalid-schedule', 'Must provide at least 1 schedule to join.'),
    ],
    [
      'too few boundaries',
      () => joinSchedules([one, one], []),
      rangeFailure('invalid-schedule', 'Received 0 boundaries but expected 1.'),
    ],
    [
      'too many boundaries',
      () => joinSchedules([one], [1]),
      rangeFailure('invalid-schedule', 'Received 1 boundaries but expected 0.'),
    ],
    [
      'a number to join',
      () => joinSchedules([one, 1 as never], [1]),
      typeFailure('invalid-schedule', 'schedules.1: expected a function, received 1'),
    ],
    [
      'a boundary that is none',
      () => joinSchedules([one, one], ['1' as never]),
      typeFailure('invalid-schedule', 'boundaries.0: expected a finite number, received "1"'),
    ],
    [
      'no list',
      () => joinSchedules(one as never, []),
      typeFailure('invalid-schedule', 'schedules: expected an array of functions, received a function'),
    ],
  ])('%s', (_, make, failure) => {
    expect(failureOf(make)).toEqual(failure);
  });
});

describe('zeros', () => {
  const SHAPES = 'a shape (a whole number or an array of them), or an object or array of shapes';
  const WHOLE = 'an array of whole numbers from 0';
  test.each<[string, () => unknown, Failure]>([
    [
      'a negative axis',
      () => zeros([2, -1]),
      rangeFailure('invalid-shape', `shape: expected ${WHOLE}, received [2, -1]`),
    ],
    [
      'a fraction',
      () => zeros({ w: 1.5 }),
      rangeFailure('invalid-shape', `shape.w: expected ${WHOLE}, received [1.5]`),
    ],
    ['NaN', () => zeros({ l: [[NaN]] }), rangeFailure('invalid-shape', `shape.l.0: expected ${WHOLE}, received [NaN]`)],
    [
      'a string',
      () => zeros({ w: '10' as never }),
      typeFailure('invalid-shape', `shape.w: expected ${SHAPES}, received "10"`),
    ],
    ['nothing', () => zeros(undefined), typeFailure('invalid-shape', `shape: expected ${SHAPES}, received undefined`)],
    [
      '2^53 elements',
      () => zeros([2 ** 27, 2 ** 26]),
      rangeFailure('invalid-shape', `shape: expected less than 2^53 elements, received ${String(2 ** 53)}`),
    ],
    [
      'an unknown dtype',
      () => zeros(1, 'int8' as never),
      rangeFailure('invalid-option', 'dtype: expected float32, float64, float16, bfloat16, received "int8"'),
    ],
  ])('%s', (_, make, failure) => {
    expect(failureOf(make)).toEqual(failure);
  });

  test('more elements than an array of this Node can have', () => {
    const length = Math.min(constants.MAX_LENGTH + 1, 2 ** 51); // beyond all memory from Node 22 on
    const { name, code, message } = failureOf(() => zeros([length], 'bfloat16'));
    expect({ name, code }).toEqual({ name: 'RangeError', code: 'invalid-shape' });
    expect(message).toMatch(
      /^shape: expected (a tensor of at most \d+|less than 2\^53) elements|^expected memory for /,
    );
    expect(message).not.toContain('Invalid typed array length');
  });

  test('more memory than there is', () => {
    const { name, code, message } = failureOf(() => zeros([2 ** 50]));
    expect({ name, code }).toEqual({ name: 'RangeError', code: 'invalid-shape' });
    expect(message).toMatch(/^expected memory for \d+ bytes, received none from the system$/);
  });
});
