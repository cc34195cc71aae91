// A state that is assigned: every difference is named, and the optimizer keeps its old one.
import { clone, SGD, type Tensor } from '../../lib/index';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { bytesOf, memoryOf } from '../helpers/memory';
import { trained } from '../helpers/trained';

interface Velocities {
  a: { v: Float32Array };
  t: { v: Tensor };
  list: { v: Float32Array }[];
}

/** Assigns the trained optimizer's state with changes; what that throws, having checked that nothing has changed. */
function failureOfAssigning(change: (state: Record<string, unknown>, velocities: Velocities) => unknown): unknown {
  const { optimizer, parameters, gradients } = trained();
  const state = clone(optimizer.state) as unknown as Record<string, unknown>;
  const given = change(state, state['parameters'] as Velocities);
  const before = memoryOf(optimizer) + bytesOf(parameters);
  const failure = failureOf(() => (optimizer.state = given as never));
  expect(memoryOf(optimizer) + bytesOf(parameters)).toBe(before);
  optimizer.update(parameters, gradients);
  expect(optimizer.step).toBe(2);
  return failure;
}

const DIFFERENCES = 'state: expected the same tree, received one with differences:\n';

describe('of another tree', () => {
  test('every difference is named', () => {
    const failure = failureOfAssigning((state, { t }) => ({
      ...state,
      parameters: {
        a: { v: new Float32Array(3) },
        t: { v: { ...t.v, shape: [2, 1] } },
        list: [],
        extra: {},
        more: [{}],
      },
    }));
    const lines = [
      'state.parameters.a.v: expected 2 elements, received 3',
      'state.parameters.t.v: expected [1, 2], received [2, 1]',
      'state.parameters.list.0: missing',
      'state.parameters.extra: extra',
      'state.parameters.more: extra',
    ];
    expect(failure).toEqual(rangeFailure('state-mismatch', DIFFERENCES + lines.join('\n')));
  });

  test.each<[string, (velocities: Velocities) => unknown, string]>([
    ['missing', ({ a, t }) => ({ a, t }), 'state.parameters.list: missing'],
    ['a missing velocity', (all) => ({ ...all, a: {} }), 'state.parameters.a.v: missing'],
    [
      'all missing',
      () => ({}),
      'state.parameters.a: missing\nstate.parameters.t: missing\nstate.parameters.list: missing',
    ],
    [
      'other dtype',
      (all) => ({ ...all, a: { v: new Float64Array(2) } }),
      'state.parameters.a.v: expected float32, received float64',
    ],
    [
      'a branch',
      (all) => ({ ...all, a: { b: { v: all.a.v } } }),
      'state.parameters.a.b: extra\nstate.parameters.a.v: missing',
    ],
    ['a leaf', (all) => ({ ...all, list: all.a }), 'state.parameters.list: expected an array, received an object'],
    [
      'an object for a list',
      (all) => ({ ...all, list: { 0: all.list[0] } }),
      'state.parameters.list: expected an array, received an object',
    ],
  ])('%s', (_, change, lines) => {
    expect(failureOfAssigning((state, all) => ({ ...state, parameters: change(all) }))).toEqual(
      rangeFailure('state-mismatch', DIFFERENCES + lines),
    );
  });
});

describe('that is none', () => {
  const leaf = 'a Float32Array, a Float64Array, a Float16Array or a Tensor { data, shape, dtype }';
  test.each<[string, (state: Record<string, unknown>) => unknown, ReturnType<typeof typeFailure>]>([
    [
      'null',
      () => null,
      typeFailure('invalid-state', 'state: expected { step, learningRate, parameters }, received null'),
    ],
    [
      'an unknown key',
      (state) => ({ ...state, momentum: 1 }),
      rangeFailure(
        'invalid-state',
        'state: expected only step, learningRate, parameters, accumulated, lossScale, groups, received "momentum"',
      ),
    ],
    [
      'no step',
      (state) => ({ ...state, step: undefined }),
      rangeFailure('invalid-state', 'state.step: expected a whole number from 0, received undefined'),
    ],
    [
      'a negative step',
      (state) => ({ ...state, step: -1 }),
      rangeFailure('invalid-state', 'state.step: expected a whole number from 0, received -1'),
    ],
    [
      'no learning rate',
      (state) => ({ ...state, learningRate: undefined }),
      typeFailure('invalid-hyperparameter', 'state.learningRate: expected a finite number, received undefined'),
    ],
    [
      'an infinite learning rate',
      (state) => ({ ...state, learningRate: Infinity }),
      rangeFailure('invalid-hyperparameter', 'state.learningRate: expected a finite number, received Infinity'),
    ],
    [
      'no velocities',
      (state) => ({ ...state, parameters: undefined }),
      typeFailure('invalid-state', 'state.parameters: expected a tree of { v }, received undefined'),
    ],
    [
      'a bare velocity',
      (state) => ({ ...state, parameters: { a: new Float32Array(2) } }),
      typeFailure('invalid-state', 'state.parameters.a: expected a tree of { v }, received Float32Array of length 2'),
    ],
    [
      'a velocity of words',
      (state) => ({ ...state, parameters: { a: { v: new Uint8Array(2) } } }),
      typeFailure('invalid-leaf', `state.parameters.a.v: expected ${leaf}, received Uint8Array of length 2`),
    ],
  ])('%s', (_, change, failure) => {
    expect(failureOfAssigning(change)).toEqual(failure);
  });
});

describe('assigned before the first step', () => {
  const velocities = { w: { v: new Float32Array([1, 2]) } };

  test('is held against the parameters of the first step', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    optimizer.state = { step: 5, learningRate: 1, parameters: velocities };
    const before = memoryOf(optimizer);
    const parameters = { w: new Float32Array(3) };
    expect(
      failureOf(() => {
        optimizer.update(parameters, { w: new Float32Array(3) });
      }),
    ).toEqual(rangeFailure('length-mismatch', 'parameters.w: expected 2 elements as state.parameters.w.v, received 3'));
    expect(memoryOf(optimizer)).toBe(before);
  });

  test('two paths that read the same are refused', () => {
    const optimizer = new SGD(1);
    const parameters = { 'a.b': velocities.w, a: { b: velocities.w } };
    expect(failureOf(() => (optimizer.state = { step: 0, learningRate: 1, parameters }))).toMatchObject({
      name: 'RangeError',
      code: 'invalid-tree',
    });
    expect(optimizer.state).toEqual({ step: 0, learningRate: 1, parameters: {} });
  });
});
