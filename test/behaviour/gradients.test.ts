// What was decided about gradients before the rule, masters and averages: each decision is a title.
import { assign, clone, type Leaf, type LeafState, meanOf, SGD, type SGDOptions, type Tensor, zeros } from '../../lib';
import { native } from '../../lib/addon/native';
import { bytesOf, copied, expectSameBytes } from '../helpers/bits';
import { deviceFor } from '../helpers/devices';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';

type Trained = Record<string, Float32Array>;

const of = (...numbers: number[]): Float32Array => Float32Array.from(numbers);

/** Words of bfloat16 for numbers that have few bits. */
function brain(...numbers: number[]): Tensor<'bfloat16'> {
  const words = new Uint32Array(Float32Array.from(numbers).buffer);
  return { data: Uint16Array.from(words, (word) => word >>> 16), shape: [numbers.length], dtype: 'bfloat16' };
}

/** The kept arrays of a leaf. */
const kept = (optimizer: SGD, key: string): Record<keyof LeafState, Float32Array> =>
  (optimizer.state.parameters as Record<string, never>)[key];

const averagesOf = (optimizer: SGD): Trained => (optimizer.averages ?? {}) as Trained;

afterEach(() => {
  jest.restoreAllMocks();
});

describe('first steps', () => {
  test.each(['mlx', 'torch'] as const)("the velocity that %s's first step makes", (firstStep) => {
    const optimizer = new SGD(1, { momentum: 0.5, dampening: 0.75, firstStep });
    const parameters = { w: of(0) };
    optimizer.update(parameters, { w: of(4) });
    expect(kept(optimizer, 'w').v).toEqual(of(firstStep === 'torch' ? 4 : 1));
    optimizer.update(parameters, { w: of(4) });
    expect(kept(optimizer, 'w').v).toEqual(of(firstStep === 'torch' ? 3 : 1.5));
  });

  test('init is no step: the one after it still makes the velocity', () => {
    const optimizer = new SGD(1, { momentum: 0.5, dampening: 0.75, firstStep: 'torch' });
    const parameters = { w: of(0) };
    optimizer.init(parameters);
    expect(optimizer.state.parameters).toEqual({ w: {} });
    optimizer.update(parameters, { w: of(4) });
    expect(kept(optimizer, 'w').v).toEqual(of(4));
  });

  test('is over when the same trees come again, also behind pending steps', async () => {
    const options: SGDOptions = { momentum: 0.5, dampening: 0.75, firstStep: 'torch', emaDecay: 0.5 };
    for (const isAsync of [false, true]) {
      const optimizer = new SGD(1, options);
      const parameters = zeros({ w: 1 });
      const gradients = zeros({ w: 1 });
      gradients.w.data[0] = 4;
      const steps: Promise<unknown>[] = [];
      for (let i = 0; i < 3; i++) {
        if (isAsync) steps.push(optimizer.updateAsync(parameters, gradients));
        else optimizer.update(parameters, gradients);
      }
      await Promise.all(steps);
      // v = 4, then 2 + 1 = 3, then 2.5; w = -4, -7, -9.5; e = -4, -5.5, -7.5.
      const { v, ema } = kept(optimizer, 'w') as unknown as Record<string, Tensor>;
      expect([v.data, parameters.w.data, ema.data]).toEqual([of(2.5), of(-9.5), of(-7.5)]);
    }
  });

  test('a velocity that was loaded or assigned is never first', () => {
    const options: SGDOptions = { momentum: 0.5, dampening: 0.75, firstStep: 'torch', emaDecay: 0.5 };
    const one = new SGD(1, options);
    const parameters = { w: of(0) };
    one.update(parameters, { w: of(4) });
    for (const take of [
      (next: SGD) => {
        next.fromBytes(one.toBytes());
      },
      (next: SGD) => {
        next.state = one.state;
      },
    ]) {
      const next = new SGD(1, options);
      take(next);
      next.update(clone(parameters), { w: of(4) });
      expect(kept(next, 'w').v).toEqual(of(3));
      expect(averagesOf(next)['w']).toEqual(of(-5.5));
    }
  });

  test('a first velocity and a first average are copies: -0 stays', () => {
    const optimizer = new SGD(1, { momentum: 0.5, firstStep: 'torch', emaDecay: 0.5 });
    const parameters = { w: of(-0) };
    optimizer.update(parameters, { w: of(-0) });
    optimizer.update({ w: of(0) }, { w: of(0) });
    const made = new SGD(-1, { momentum: 0.5, firstStep: 'torch', emaDecay: 0.5 });
    made.update(parameters, { w: of(-0) });
    expect(kept(made, 'w').v).toEqual(of(-0));
    expect(averagesOf(made)['w']).toEqual(of(parameters.w[0]));
  });

  test('a late leaf gets master, velocity and average in its own first step', () => {
    const optimizer = new SGD(0.5, {
      momentum: 0.5,
      dampening: 0.75,
      firstStep: 'torch',
      emaDecay: 0.5,
      masterWeights: true,
    });
    const parameters = { a: brain(0), b: brain(2) };
    optimizer.update(parameters, { a: of(4) });
    expect(averagesOf(optimizer)).toEqual({ a: expect.objectContaining({ data: of(-2) }) as unknown });
    optimizer.update(parameters, { a: of(4), b: of(4) });
    const { v, master, ema } = (optimizer.state.parameters as Record<string, Record<string, Tensor>>)['b'];
    expect([v.data, master.data, ema.data]).toEqual([of(4), of(0), of(0)]);
    expect((kept(optimizer, 'a').v as unknown as Tensor).data).toEqual(of(3));
  });

  test('a momentum that goes above 0 makes velocities, rests at 0, and goes on', () => {
    const optimizer = new SGD(1, { dampening: 0.75, firstStep: 'torch' });
    const parameters = { w: of(0) };
    const seen: (Float32Array | undefined)[] = [];
    for (const momentum of [0, 0.5, 0.5, 0, 0.5]) {
      optimizer.momentum = momentum;
      optimizer.update(parameters, { w: of(4) });
      seen.push((kept(optimizer, 'w').v as Float32Array | undefined)?.slice());
    }
    expect(seen).toEqual([undefined, of(4), of(3), of(3), of(2.5)]);
  });

  test('a first step chosen later does not make velocities that are there', () => {
    const optimizer = new SGD(1, { momentum: 0.5, dampening: 0.75 });
    const parameters = { w: of(0) };
    optimizer.update(parameters, { w: of(4) });
    optimizer.firstStep = 'torch';
    optimizer.update(parameters, { w: of(4) });
    expect(kept(optimizer, 'w').v).toEqual(of(1.5));
  });
});

describe('means', () => {
  const step = (gradients: object, options?: SGDOptions): Trained => {
    const parameters = { w: of(1, -2, 3), b: of(0.1) };
    new SGD(0.3, options).update(parameters, gradients);
    return parameters;
  };

  test('the mean of one equals a plain step', () => {
    const gradients = { w: of(0.1, 0.2, 0.3), b: of(7) };
    expect(step(meanOf(gradients), { momentum: 0.9 })).toEqual(step(gradients, { momentum: 0.9 }));
  });

  test('is a true division of the sum in list order', () => {
    const parameters = { w: of(0) };
    new SGD(-1).update(parameters, meanOf({ w: of(1e8) }, { w: of(1) }, { w: of(-1e8) }));
    expect(parameters.w).toEqual(of(0));
    new SGD(-1).update(parameters, meanOf({ w: of(1e8) }, { w: of(-1e8) }, { w: of(1) }));
    expect(parameters.w).toEqual(of(Math.fround(1 / 3)));
  });

  test('trees list their keys in any order, and share memory', () => {
    const [w, b] = [of(1, 2, 3), of(4)];
    expect(step(meanOf({ w, b }, { b, w }))).toEqual(step({ w, b }));
  });

  test('all trees have the same leaves: path and index are in the error', () => {
    const [w, b] = [of(1, 2, 3), of(4)];
    const message = (path: string, other: string): string =>
      `${path}: expected a gradient as in ${other}, received none; all trees of meanOf have the same leaves`;
    const failure = (gradients: object): object => failureOf(() => step(gradients));
    expect(failure(meanOf({ w, b }, { w }))).toEqual(
      rangeFailure('invalid-tree', message('gradients.1.b', 'gradients.0')),
    );
    expect(failure(meanOf({ w }, { w, b }, { w, b }))).toEqual(
      rangeFailure('invalid-tree', message('gradients.0.b', 'gradients.1')),
    );
    expect(failure(meanOf({ w }, { w: of(1) }))).toMatchObject({ code: 'length-mismatch' });
    expect(failure(meanOf({ w }, { x: w }))).toEqual(
      rangeFailure(
        'missing-parameter',
        'gradients.1.x: parameters has no leaf at this path; remove the gradient, or add the parameter',
      ),
    );
  });

  test('a leaf that does not train may be missing in some', () => {
    const [w, b] = [of(1, 2, 3), of(4)];
    expect(step(meanOf({ w, b }, { w }), { trainable: /w/ })).toEqual(step({ w }, { trainable: /w/ }));
  });

  test.each([
    ['none', () => meanOf(), 0],
    ['more than 256', () => meanOf(...Array.from({ length: 257 }, () => of(1))), 257],
  ])('of %s are an error', (_, make, count) => {
    const message = `meanOf: expected 1 to 256 trees of gradients, received ${String(count)}`;
    expect(failureOf(make)).toEqual(rangeFailure('invalid-option', message));
  });

  test('of means are an error', () => {
    expect(failureOf(() => meanOf(of(1), meanOf(of(1)) as never))).toMatchObject({ code: 'invalid-option' });
  });

  test('256 trees are one step', () => {
    const parameters = { w: of(0) };
    new SGD(-1).update(parameters, meanOf(...Array.from({ length: 256 }, (_, i) => ({ w: of(i) }))));
    expect(parameters.w).toEqual(of(127.5));
  });

  test('gradients are never written', () => {
    const trees = [of(1e9, -5), of(3, NaN), of(2, 1)].map((w) => ({ w }));
    const before = trees.map(({ w }) => bytesOf(w).slice());
    const options: SGDOptions = { momentum: 0.9, clipValue: 0.1, maximize: true, emaDecay: 0.9 };
    new SGD(0.1, options).update({ w: of(0, 0) }, meanOf(...trees), { gradientScale: 3 });
    trees.forEach(({ w }, i) => {
      expectSameBytes(w, before[i], `gradient ${String(i)}`);
    });
  });
});

describe('accumulation', () => {
  const options: SGDOptions = { momentum: 0.9, weightDecay: 0.01 };
  const trees = [0.1, 0.7, -0.3].map((x) => ({ w: of(x, x * 3), b: of(x / 7) }));
  const start = (): Trained => ({ w: of(1, 2), b: of(3) });

  test('equals meanOf of the same list, whether the last comes with the step or not', () => {
    const expected = start();
    new SGD(0.1, options).update(expected, meanOf(...trees));
    for (const last of [true, false]) {
      const [parameters, optimizer] = [start(), new SGD(0.1, options)];
      for (const one of last ? trees.slice(0, 2) : trees) optimizer.accumulate(one);
      expect(optimizer.state.accumulated).toBe(last ? 2 : 3);
      optimizer.update(parameters, last ? trees[2] : undefined);
      expect(parameters).toEqual(expected);
      expect(optimizer.state.accumulated).toBeUndefined();
    }
  });

  test('a meanOf counts as its trees, one by one', () => {
    const [parameters, expected] = [start(), start()];
    const optimizer = new SGD(0.1, options);
    optimizer.accumulate(meanOf(trees[0], trees[1]));
    expect(optimizer.state.accumulated).toBe(2);
    optimizer.update(parameters, meanOf(trees[2], trees[0]));
    new SGD(0.1, options).update(expected, meanOf(trees[0], trees[1], trees[2], trees[0]));
    expect(parameters).toEqual(expected);
  });

  test('a leaf that is missing in some adds nothing, and the divisor is the number of calls', () => {
    const parameters = { ...start(), never: of(5) };
    const optimizer = new SGD(-1);
    optimizer.accumulate({ w: of(4, 8) });
    optimizer.accumulate({ b: of(6) });
    optimizer.update(parameters);
    expect(parameters).toEqual({ w: of(3, 6), b: of(6), never: of(5) });
  });

  test('leaves without any gradient are not stepped', () => {
    const optimizer = new SGD(1, { weightDecay: 1, momentum: 0.5 });
    const parameters = start();
    optimizer.accumulate({ w: of(0, 0) });
    optimizer.update(parameters);
    expect(parameters['b']).toEqual(of(3));
    expect(optimizer.state.parameters).toEqual({ w: { v: of(1, 2) } });
  });

  test('the sum starts as a copy: -0 stays', () => {
    const optimizer = new SGD(1, { momentum: 1, firstStep: 'torch' });
    optimizer.accumulate({ w: of(-0) });
    optimizer.update({ w: of(0) });
    expect(kept(optimizer, 'w').v).toEqual(of(-0));
  });

  test('the sum is float32 for 16-bit gradients', () => {
    const optimizer = new SGD(-1, { masterWeights: true });
    const parameters = { w: brain(0) };
    optimizer.accumulate({ w: brain(256) });
    optimizer.accumulate({ w: brain(1) });
    expect((kept(optimizer, 'w').accumulated as unknown as Tensor).data).toEqual(of(257));
    optimizer.update(parameters);
    expect((kept(optimizer, 'w').master as unknown as Tensor).data).toEqual(of(128.5));
  });

  test('discardAccumulated forgets it', () => {
    const optimizer = new SGD(-1);
    const parameters = { w: of(0) };
    optimizer.accumulate({ w: of(100) });
    optimizer.discardAccumulated();
    optimizer.update(parameters, { w: of(1) });
    expect(parameters.w).toEqual(of(1));
    expect(
      failureOf(() => {
        optimizer.update(parameters);
      }),
    ).toMatchObject({ code: 'invalid-leaf' });
  });

  test('what does not match is reported by the step, which changes nothing; the sum is kept', () => {
    const optimizer = new SGD(-1, { momentum: 0.5 });
    const parameters = { w: of(1) };
    optimizer.accumulate({ w: of(1), x: of(2) });
    const failure = failureOf(() => {
      optimizer.update(parameters);
    });
    expect(failure).toEqual(
      rangeFailure(
        'missing-parameter',
        'accumulated.x: parameters has no leaf at this path; step the tree that was accumulated, or discardAccumulated()',
      ),
    );
    expect(
      failureOf(() => {
        optimizer.update({ w: of(1, 2), x: of(0) });
      }),
    ).toMatchObject({
      code: 'length-mismatch',
      message: expect.stringContaining('state.parameters.w.accumulated') as string,
    });
    expect([parameters.w, optimizer.step, optimizer.state.accumulated]).toEqual([of(1), 0, 1]);
    const both = { w: of(1), x: of(1) };
    optimizer.update(both);
    expect(both).toEqual({ w: of(2), x: of(3) });
  });

  test('is synchronous, and busy while steps are pending', async () => {
    const optimizer = new SGD(1);
    const parameters = zeros({ w: 100_000 });
    const gradients = zeros({ w: 100_000 });
    const step = optimizer.updateAsync(parameters, gradients);
    for (const call of [
      () => {
        optimizer.accumulate(gradients);
      },
      () => {
        optimizer.discardAccumulated();
      },
      () => optimizer.averages,
    ])
      expect(failureOf(call)).toMatchObject({ code: 'busy' });
    await step;
  });

  test('of updateAsync belongs to the step that was called, not to one behind it', async () => {
    const optimizer = new SGD(-1);
    const parameters = zeros({ w: 1 });
    const one = (value: number): { w: Tensor<'float32'> } => {
      const tree = zeros({ w: 1 });
      tree.w.data[0] = value;
      return tree;
    };
    optimizer.accumulate(one(2));
    const first = optimizer.updateAsync(parameters, one(4));
    const second = optimizer.updateAsync(parameters, one(10));
    await Promise.all([first, second]);
    expect(parameters.w.data).toEqual(of(13));
  });

  test('is given back by a step of updateAsync that fails, and by one behind it', async () => {
    const optimizer = new SGD(-1);
    const parameters = zeros({ w: 1 });
    const gradients = zeros({ w: 1 });
    gradients.w.data[0] = 4;
    for (const isBehind of [false, true]) {
      optimizer.discardAccumulated();
      optimizer.accumulate(gradients);
      jest.spyOn(native(), 'stepAsync').mockRejectedValueOnce(new Error('of the device'));
      const failed = isBehind
        ? [optimizer.between(() => 1), optimizer.updateAsync(parameters), optimizer.updateAsync(parameters, gradients)]
        : [optimizer.updateAsync(parameters)];
      const results = await Promise.allSettled(failed);
      expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(isBehind ? 2 : 1);
      expect(optimizer.state.accumulated).toBe(1);
    }
    await optimizer.updateAsync(parameters);
    expect(parameters.w.data).toEqual(of(4));
  });

  test('a plain step, one with a sum, and a plain one again', () => {
    const optimizer = new SGD(-1);
    const parameters = { w: of(0) };
    const gradients = { w: of(2) };
    const seen: number[] = [];
    for (const isSummed of [false, true, false, true]) {
      if (isSummed) optimizer.accumulate({ w: of(10) });
      optimizer.update(parameters, gradients);
      seen.push(parameters.w[0]);
    }
    expect(seen).toEqual([2, 8, 10, 16]);
  });

  test('goes on when its place has been taken by another layout, and is given back', () => {
    const optimizer = new SGD(-1);
    const gradients = { w: of(2, 2) };
    const parameters = { w: brain(0, 0) };
    optimizer.accumulate(gradients);
    optimizer.discardAccumulated();
    optimizer.update(parameters, gradients);
    optimizer.accumulate(gradients);
    optimizer.update(parameters);
    expect(parameters.w).toEqual(brain(4, 4));
    const [other, plain] = [{ w: of(0, 0, 0) }, { w: of(0, 0) }];
    optimizer.update(other, { w: of(1, 1, 1) });
    optimizer.update(plain, gradients);
    optimizer.accumulate(gradients);
    optimizer.update(plain);
    expect(plain.w).toEqual(of(4, 4));
  });

  test('trees that take turns are added without a new plan', () => {
    const optimizer = new SGD(-1);
    const parameters = { w: of(0) };
    const trees = Array.from({ length: 5 }, (_, i) => ({ w: of(i) }));
    const prepared = jest.spyOn(native(), 'prepareSum');
    for (let i = 0; i < 4; i++) {
      for (const one of trees) optimizer.accumulate(one);
      optimizer.update(parameters);
    }
    expect(parameters.w).toEqual(of(8));
    expect(prepared).toHaveBeenCalledTimes(5);
  });

  test('goes on in other arrays of the same tree', () => {
    const optimizer = new SGD(-1);
    const parameters = { w: of(0), b: of(0) };
    for (let i = 0; i < 3; i++) {
      optimizer.accumulate({ w: of(2), b: of(1) });
      optimizer.accumulate({ w: of(4) });
      optimizer.update(parameters);
    }
    expect(parameters).toEqual({ w: of(9), b: of(1.5) });
  });
});

describe('factors', () => {
  test('the order is mean, scale, clip, sign, weight decay', () => {
    const parameters = { w: of(2, 2, 2) };
    const options: SGDOptions = { clipValue: 3, maximize: true, weightDecay: 0.5 };
    new SGD(1, options).update(parameters, meanOf({ w: of(1, 4, -9) }, { w: of(3, 4, -9) }), { gradientScale: 0.5 });
    // (2, 4, -9) / 2 = (1, 2, -4.5), clipped (1, 2, -3), climbing (-1, -2, 3), + 0.5 * 2.
    expect(parameters.w).toEqual(of(2, 3, -2));
  });

  test('NaN stays NaN when it is clipped', () => {
    const parameters = { w: of(1, 1) };
    new SGD(1, { clipValue: 0.5 }).update(parameters, { w: of(NaN, Infinity) });
    expect(parameters.w).toEqual(of(NaN, 0.5));
  });

  test('a scale of 1 gives the bits of none', () => {
    const [one, other] = [{ w: of(0.1, 0.2) }, { w: of(0.1, 0.2) }];
    new SGD(0.3).update(one, { w: of(0.7, 1e-39) }, { gradientScale: 1 });
    new SGD(0.3).update(other, { w: of(0.7, 1e-39) });
    expectSameBytes(one.w, other.w, 'w');
  });

  test('groups climb by themselves', () => {
    const optimizer = new SGD(1, { groups: [{ parameters: /up/, maximize: true }] });
    const parameters = { up: of(0), down: of(0) };
    optimizer.update(parameters, { up: of(1), down: of(1) });
    optimizer.groups[0].maximize = undefined;
    optimizer.maximize = true;
    optimizer.update(parameters, { up: of(1), down: of(1) });
    expect(parameters).toEqual({ up: of(2), down: of(0) });
  });

  test('clipValue, emaDecay, firstStep and maximize can be assigned', () => {
    const optimizer = new SGD(1);
    const parameters = { w: of(0) };
    optimizer.clipValue = 2;
    optimizer.emaDecay = 0.5;
    optimizer.update(parameters, { w: of(100) });
    optimizer.clipValue = undefined;
    optimizer.update(parameters, { w: of(100) });
    expect([parameters.w, averagesOf(optimizer)['w']]).toEqual([of(-102), of(-52)]);
  });

  test.each([
    [{ clipValue: 0 }, rangeFailure('invalid-option', 'clipValue: expected a number above 0, received 0')],
    [{ clipValue: -1 }, rangeFailure('invalid-option', 'clipValue: expected a number above 0, received -1')],
    [{ clipValue: 1e-60 }, rangeFailure('invalid-option', 'clipValue: expected a number above 0, received 1e-60')],
    [{ clipValue: NaN }, rangeFailure('invalid-option', 'clipValue: expected a number above 0, received NaN')],
    [{ clipValue: '1' }, typeFailure('invalid-option', 'clipValue: expected a number above 0, received "1"')],
    [{ emaDecay: -0.1 }, rangeFailure('invalid-option', 'emaDecay: expected a number from 0 to 1, received -0.1')],
    [{ emaDecay: 1.1 }, rangeFailure('invalid-option', 'emaDecay: expected a number from 0 to 1, received 1.1')],
    [{ firstStep: 'keras' }, rangeFailure('invalid-option', 'firstStep: expected mlx, torch, received "keras"')],
    [{ masterWeights: 1 }, typeFailure('invalid-option', 'masterWeights: expected a boolean, received 1')],
    [{ maximize: 1 }, typeFailure('invalid-hyperparameter', 'maximize: expected a boolean, received 1')],
  ])('%j is refused', (options, failure) => {
    expect(failureOf(() => new SGD(1, options as SGDOptions))).toEqual(failure);
  });

  test.each([
    [{ gradientScale: NaN }, rangeFailure('invalid-option', 'gradientScale: expected a finite number, received NaN')],
    [
      { gradientScale: 1e39 },
      rangeFailure('invalid-option', 'gradientScale: expected a finite number, received 1e+39'),
    ],
    [{ scale: 1 }, rangeFailure('invalid-option', 'options: expected only gradientScale, received "scale"')],
    [0.5, typeFailure('invalid-option', 'options: expected { gradientScale }, received 0.5')],
  ])('options of a step: %j is refused, and nothing changes', (options, failure) => {
    const parameters = { w: of(1) };
    const optimizer = new SGD(1, { momentum: 0.5 });
    expect(
      failureOf(() => {
        optimizer.update(parameters, { w: of(1) }, options as never);
      }),
    ).toEqual(failure);
    expect([parameters.w, optimizer.step, optimizer.state.parameters]).toEqual([of(1), 0, {}]);
  });
});

describe('masters', () => {
  test('1,000 steps of 1e-3 from 1 reach 0 in bfloat16', () => {
    const parameters = { w: brain(1) };
    const optimizer = new SGD(1e-3, { masterWeights: true });
    for (let i = 0; i < 1000; i++) optimizer.update(parameters, { w: brain(1) });
    const [master] = (kept(optimizer, 'w').master as unknown as Tensor).data;
    expect(Math.abs(master)).toBeLessThan(1e-5);
    const without = { w: brain(1) };
    const plain = new SGD(1e-3);
    for (let i = 0; i < 1000; i++) plain.update(without, { w: brain(1) });
    expect(without.w).toEqual(brain(1));
  });

  test('are made by widening when the slot is made, by init too', () => {
    const optimizer = new SGD(1, { masterWeights: true, momentum: 0.5 });
    optimizer.init({ w: brain(3, -0), f: of(1) });
    const state = optimizer.state.parameters as Record<string, Record<string, Tensor | Float32Array>>;
    expect((state['w']['master'] as Tensor).data).toEqual(of(3, -0));
    expect((state['w']['v'] as Tensor).dtype).toBe('float32');
    expect(Object.keys(state['f'])).toEqual(['v']);
  });

  test('a parameter that somebody wrote is taken up, element by element, by its bits', () => {
    const optimizer = new SGD(2 ** -10, { masterWeights: true });
    const parameters = { w: brain(1, 1, 0) };
    optimizer.update(parameters, { w: brain(1, 1, 0) });
    parameters.w.data.set(brain(5, 1, -0).data.subarray(0, 1), 0);
    parameters.w.data[2] = 0x8000;
    optimizer.update(parameters, { w: brain(1, 1, 0) });
    const { data } = kept(optimizer, 'w').master as unknown as Tensor;
    expect(Array.from(data)).toEqual([5 - 2 ** -10, 1 - 2 ** -9, -0]);
  });

  test('need a leaf of 16 bits', () => {
    const optimizer = new SGD(1, { masterWeights: true });
    const failure = rangeFailure(
      'invalid-option',
      'masterWeights: expected a leaf of float16 or bfloat16, received none: the first, parameters.w, is float32',
    );
    for (const call of [
      () => {
        optimizer.update({ w: of(1) }, { w: of(1) });
      },
      () => {
        optimizer.init({ w: of(1) });
      },
    ])
      expect(failureOf(call)).toEqual(failure);
  });

  test('float32 gradients are taken unrounded, without masters too', () => {
    const parameters = { w: brain(0) };
    new SGD(-256).update(parameters, { w: of(1 + 2 ** -8) });
    expect(parameters.w).toEqual(brain(256));
    new SGD(-1).update(parameters, { w: of(1 + 2 ** -8) });
    expect(parameters.w).toEqual(brain(258));
  });

  test('a NaN of any bits stays a NaN', () => {
    const gradient = new Float32Array(Uint32Array.of(0x7fffffff, 0xffffffff, 0x7f800001, 0x7fc0ffff).buffer);
    const [parameters, masters] = [{ w: brain(1, 1, 1, 1) }, { w: brain(1, 1, 1, 1) }];
    new SGD(1).update(parameters, { w: gradient });
    new SGD(1, { masterWeights: true }).update(masters, { w: gradient });
    for (const { data } of [parameters.w, masters.w])
      for (const word of data) expect(word & 0x7fff).toBeGreaterThan(0x7f80);
  });

  test('a gradient of another 16-bit dtype is none', () => {
    const half: Tensor = { data: Uint16Array.of(0), shape: [1], dtype: 'float16' };
    expect(
      failureOf(() => {
        new SGD(1).update({ w: brain(1) }, { w: half as never });
      }),
    ).toMatchObject({ code: 'dtype-mismatch' });
  });
});

describe('averages', () => {
  test('hold the leaves that have one, and are undefined without a decay', () => {
    const optimizer = new SGD(1, { emaDecay: 0.5 });
    expect(optimizer.averages).toEqual({});
    optimizer.update({ a: { w: of(1) }, b: [of(1)] }, { a: { w: of(1) } });
    expect(optimizer.averages).toEqual({ a: { w: of(0) } });
    optimizer.emaDecay = undefined;
    expect(optimizer.averages).toBeUndefined();
  });

  test('rest without a decay, and go on with one', () => {
    const optimizer = new SGD(1, { emaDecay: 0.5 });
    const parameters = { w: of(0) };
    const seen: number[] = [];
    for (const emaDecay of [0.5, undefined, 0.5, 0.25]) {
      optimizer.emaDecay = emaDecay;
      optimizer.update(parameters, { w: of(-4) });
      const { w } = averagesOf(optimizer) as Partial<Trained>;
      seen.push(w ? w[0] : NaN);
    }
    expect(seen).toEqual([4, NaN, 8, 14]);
  });

  test('count real steps only: accumulating moves none', () => {
    const optimizer = new SGD(1, { emaDecay: 0.5 });
    const parameters = { w: of(0) };
    optimizer.update(parameters, { w: of(-4) });
    optimizer.accumulate({ w: of(-4) });
    optimizer.accumulate({ w: of(-4) });
    expect(averagesOf(optimizer)['w']).toEqual(of(4));
    expect(optimizer.step).toBe(1);
  });

  test('are of the master where there is one, else of what was stored', () => {
    for (const masterWeights of [true, false]) {
      const optimizer = new SGD(1, { emaDecay: 0.5, masterWeights });
      optimizer.update({ w: brain(256) }, { w: of(-1) });
      expect((averagesOf(optimizer)['w'] as unknown as Tensor).data).toEqual(of(masterWeights ? 257 : 256));
    }
  });

  test('of float64 leaves are float64', () => {
    const optimizer = new SGD(1, { emaDecay: 0.1, device: deviceFor(['float64']) });
    const parameters = { w: Float64Array.of(0) };
    optimizer.update(parameters, { w: Float64Array.of(-1) });
    optimizer.update(parameters, { w: Float64Array.of(-1) });
    expect((optimizer.averages as Record<string, Float64Array>)['w']).toEqual(Float64Array.of(0.1 + 0.9 * 2));
  });
});

describe('what others broke', () => {
  test('averages that some leaves lack can be assigned', () => {
    const parameters = { a: of(1), b: of(2), list: [of(3), of(4)] };
    const optimizer = new SGD(1, { emaDecay: 0.5, trainable: /a|1/ });
    optimizer.update(parameters, { a: of(1), b: of(1), list: [of(1), of(1)] });
    const copy = clone(parameters);
    assign(copy, optimizer.averages ?? {});
    expect(copy).toEqual({ a: of(0), b: of(2), list: [of(3), of(3)] });
  });

  test('a sum of a frozen tree that is one leaf is dropped by the step', () => {
    const optimizer = new SGD(1, { trainable: () => false });
    optimizer.accumulate(of(1, 1));
    const parameter = of(1, 2);
    optimizer.update(parameter);
    expect([parameter, optimizer.step, optimizer.state.accumulated]).toEqual([of(1, 2), 1, undefined]);
  });

  test('a filter that assigns a momentum changes the step that asks it', () => {
    const optimizer: SGD = new SGD(1, {
      trainable: () => {
        if (optimizer.momentum === 0) optimizer.momentum = 0.5;
        return true;
      },
    });
    const parameters = { w: of(1) };
    optimizer.update(parameters, { w: of(1) });
    expect([parameters.w, kept(optimizer, 'w').v]).toEqual([of(0), of(1)]);
  });

  test('a tree without leaves cannot be accumulated', () => {
    const optimizer = new SGD(1);
    expect(
      failureOf(() => {
        optimizer.accumulate({});
      }),
    ).toMatchObject({ code: 'invalid-tree' });
    expect(optimizer.state.accumulated).toBeUndefined();
  });
});

describe('leaves that freeze', () => {
  test('keep velocity, master and average at rest, and go on when they thaw', () => {
    const options: SGDOptions = { momentum: 0.5, masterWeights: true, emaDecay: 0.5 };
    const [optimizer, other] = [new SGD(0.5, options), new SGD(0.5, options)];
    const [parameters, expected] = [{ w: brain(1), b: brain(1) }, { w: brain(1) }];
    const step = (): void => {
      optimizer.update(parameters, { w: brain(1), b: brain(NaN) });
    };
    optimizer.trainable = /w/;
    step();
    other.update(expected, { w: brain(1) });
    optimizer.trainable = () => false;
    step();
    expect(optimizer.state.parameters).toEqual(
      expect.objectContaining({ w: (other.state.parameters as Record<string, unknown>)['w'] }),
    );
    optimizer.trainable = /w/;
    step();
    other.update(expected, { w: brain(1) });
    expect([parameters.w, parameters.b]).toEqual([expected.w, brain(1)]);
    expect(averagesOf(optimizer)['w']).toEqual(averagesOf(other)['w']);
  });
});

describe('applyGradients', () => {
  test('moves velocities, masters, averages and step, and leaves the parameters', () => {
    const options: SGDOptions = { momentum: 0.5, masterWeights: true, emaDecay: 0.5 };
    const [optimizer, other] = [new SGD(0.5, options), new SGD(0.5, options)];
    let parameters = { w: brain(1, 2) };
    const expected = { w: brain(1, 2) };
    for (let i = 0; i < 3; i++) {
      const before = copied(parameters.w.data);
      const next = optimizer.applyGradients(meanOf({ w: of(1, 2) }, { w: of(0, 1) }), parameters);
      expect(parameters.w.data).toEqual(before);
      parameters = next;
      other.update(expected, meanOf({ w: of(1, 2) }, { w: of(0, 1) }));
      expect(parameters).toEqual(expected);
      expect(optimizer.state).toEqual(other.state);
    }
  });

  test('after accumulate returns all parameters', () => {
    const optimizer = new SGD(-1);
    const parameters = { w: of(1), b: of(2) };
    optimizer.accumulate({ w: of(4) });
    expect(optimizer.applyGradients(undefined, parameters)).toEqual({ w: of(5), b: of(2) });
    expect(parameters).toEqual({ w: of(1), b: of(2) });
    expect(optimizer.state.accumulated).toBeUndefined();
  });
});

describe('applySingle', () => {
  test("is the rule alone with the constructor's clipValue, maximize and firstStep", () => {
    const optimizer = new SGD(1, { momentum: 0.5, dampening: 0.75, clipValue: 2, maximize: true, firstStep: 'torch' });
    const state: { v?: Leaf } = {};
    optimizer.initSingle(of(0), state);
    let w = of(0);
    w = optimizer.applySingle(of(100), w, state);
    expect([w, state.v]).toEqual([of(2), of(-2)]);
    w = optimizer.applySingle(of(100), w, state);
    expect([w, state.v]).toEqual([of(3.5), of(-1.5)]);
  });

  test.each([
    ['groups', { groups: [{ parameters: /x/ }] }],
    ['masterWeights', { masterWeights: true }],
    ['emaDecay', { emaDecay: 0.5 }],
  ])('takes no %s', (name, options) => {
    const optimizer = new SGD(1, options);
    const message = `applySingle: takes no ${name}; use an optimizer without them, or update`;
    expect(failureOf(() => optimizer.applySingle(of(1), of(1), {}))).toEqual({
      name: 'Error',
      code: 'not-single',
      message,
    });
  });
});
