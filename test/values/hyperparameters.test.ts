// Hyperparameters at the edges of float32: what counts is the double that the user gave, what computes is its rounding.
import { type Leaf, SGD, type SGDOptions } from '../../lib';
import type { Dtype } from '../../lib/tree/dtype';
import { expectSameBits } from '../helpers/bits';
import { ARRAYS, dataOf } from '../helpers/leaves';
import { oracleStep } from '../helpers/oracle';

const float32 = (...values: number[]): Float32Array => Float32Array.from(values);

interface Stepped {
  readonly w: number[];
  /** Undefined if the optimizer keeps no velocity. */
  readonly v: number[] | undefined;
}

/** Parameter and velocity after a step for each gradient, on the CPU. */
function steps(
  dtype: 'float32' | 'float64',
  learningRate: number,
  options: SGDOptions,
  w: number[],
  ...gradients: number[][]
): Stepped {
  const optimizer = new SGD(learningRate, { ...options, device: 'cpu' });
  const parameter = ARRAYS[dtype].from(w);
  for (const gradient of gradients) optimizer.update([parameter], [ARRAYS[dtype].from(gradient)]);
  const [{ v }] = optimizer.state.parameters as [{ v?: Leaf }];
  return { w: Array.from(parameter), v: v && Array.from(dataOf(v)) };
}

describe('a learning rate', () => {
  test('of 1e39 overflows float32, so that the optimizer refuses it and changes nothing', () => {
    expect(() => new SGD(1e39)).toThrow('learningRate: expected a number that float32 can hold, received 1e+39');
    const optimizer = new SGD((step) => (step === 1 ? 1e39 : 0.5), { momentum: 0.9 });
    const w = float32(1);
    optimizer.update([w], [float32(1)]);
    const [{ v }] = optimizer.state.parameters as [{ v: Float32Array }];
    expect(() => {
      optimizer.update([w], [float32(1)]);
    }).toThrow('learningRate at step 1: expected a number that float32 can hold, received 1e+39');
    expect([w[0], v[0], optimizer.step, optimizer.learningRate]).toEqual([0.5, 1, 1, 0.5]);
  });

  test('of -0 after 0 takes effect: -0 - -0 * 0 is 0', () => {
    const optimizer = new SGD((step) => (step === 0 ? 0 : -0), { device: 'cpu' });
    const [parameters, gradients] = [[float32(-0)], [float32(0)]];
    optimizer.update(parameters, gradients);
    expect(parameters[0][0]).toBe(-0);
    optimizer.update(parameters, gradients);
    expect(parameters[0][0]).toBe(0);
  });

  test('of 1e-46 is 0 in float32: velocities change, parameters do not', () => {
    expect(steps('float32', 1e-46, { momentum: 0.5 }, [1e-40, 3], [1e10, 1])).toEqual({
      w: Array.from(float32(1e-40, 3)),
      v: [1e10, 1],
    });
  });

  test('of 1e-46 changes float64 parameters', () => {
    expect(steps('float64', 1e-46, {}, [1e-40], [1e10])).toEqual({ w: [1e-40 - 1e-36], v: undefined });
  });

  test('of 1e-40 is a subnormal, which the CPU keeps', () => {
    const { w } = steps('float32', 1e-40, {}, [0], [-1e30]);
    expect(w).toEqual([Math.fround(Math.fround(1e-40) * Math.fround(1e30))]);
    expect(w[0]).toBeGreaterThan(0);
  });

  test('reaches float64 leaves in double, not rounded to float32', () => {
    expect(steps('float64', 0.1, {}, [1], [1]).w).toEqual([1 - 0.1]);
    expect(steps('float64', 0.1, {}, [1], [1]).w).not.toEqual([1 - Math.fround(0.1)]);
  });
});

describe('a momentum', () => {
  test('of 1e-50 is above 0, so that a step keeps velocities, though it is 0 in float32', () => {
    expect(steps('float32', 0.5, { momentum: 1e-50 }, [1], [2], [4])).toEqual({ w: [-2], v: [4] });
    // 0 * infinity: the velocity is multiplied, not dropped.
    expect(steps('float32', 0.5, { momentum: 1e-50 }, [1], [Infinity], [1]).v).toEqual([NaN]);
    expect(steps('float32', 0.5, { momentum: 1e-50, nesterov: true }, [1], [2]).w).toEqual([0]);
  });

  test('of 1e-50 counts in float64', () => {
    expect(steps('float64', 0.5, { momentum: 1e-50 }, [1], [1e30], [0]).v).toEqual([1e-50 * 1e30]);
  });

  test.each([0, -0, -0.5, -1e-50])(
    'of %p means a plain step without velocities, whatever the dampening',
    (momentum) => {
      expect(steps('float32', 0.5, { momentum, dampening: 0.5 }, [1], [1], [1])).toEqual({ w: [0], v: undefined });
    },
  );
});

describe('a weight decay', () => {
  test('of 1e-50 is not 0, so that a step adds it, though it is 0 in float32', () => {
    expect(steps('float32', 0.5, { weightDecay: 1e-50 }, [Infinity, 1], [1, 1]).w).toEqual([NaN, 0.5]);
    expect(steps('float32', 0.5, {}, [Infinity, 1], [1, 1]).w).toEqual([Infinity, 0.5]);
  });

  test('of -0 is 0', () => {
    expect(steps('float32', 0.5, { weightDecay: -0 }, [Infinity], [1]).w).toEqual([Infinity]);
  });

  test('below 0 makes parameters grow', () => {
    expect(steps('float32', 0.5, { weightDecay: -0.5 }, [4], [0]).w).toEqual([5]);
  });

  test('is added before momentum', () => {
    // v = g + 0.5 * w, then 0.5 * v + g + 0.5 * w.
    expect(steps('float32', 1, { weightDecay: 0.5, momentum: 0.5 }, [8], [0], [0])).toEqual({ w: [0], v: [4] });
  });
});

describe('a dampening', () => {
  test.each([-1e-50, -0.5, -3])('of %p counts as 0', (dampening) => {
    const options = { momentum: 0.9, weightDecay: 0.1 };
    const gradients = [[1], [2], [-3]];
    expect(steps('float32', 0.3, { ...options, dampening }, [1], ...gradients)).toEqual(
      steps('float32', 0.3, options, [1], ...gradients),
    );
  });

  test('is subtracted from 1 in double', () => {
    // 1 - 0.9 is 0.09999999999999998; 1 - fround(0.9) is 0.10000002384185791, another float32.
    expect(steps('float32', 0, { momentum: 0.5, dampening: 0.9 }, [0], [1]).v).toEqual([Math.fround(1 - 0.9)]);
    expect(Math.fround(1 - Math.fround(0.9))).not.toBe(Math.fround(1 - 0.9));
  });

  test('applies from the first step, as in MLX and unlike PyTorch', () => {
    expect(steps('float32', 1, { momentum: 0.5, dampening: 0.75 }, [0], [4]).v).toEqual([1]);
  });

  test('above 1 reverses the gradients', () => {
    expect(steps('float32', 1, { momentum: 0.5, dampening: 2 }, [0], [4]).v).toEqual([-4]);
  });
});

describe('the rule', () => {
  const dtypes: readonly Dtype[] = ['float32', 'float64'];

  // Each row: what is computed, and what a fused or reordered computation would give for the same numbers.
  test('rounds the multiplication and the addition of weight decay separately', () => {
    const [decay, w, g] = [Math.fround(0.1), Math.fround(1.1), Math.fround(-0.11)];
    const separate = Math.fround(g + Math.fround(decay * w));
    expect(Math.fround(g + decay * w)).not.toBe(separate);
    expect(steps('float32', 1, { weightDecay: 0.1, momentum: 0.5 }, [w], [g]).v).toEqual([separate]);
  });

  test('rounds the change before it subtracts it', () => {
    const [rate, w, g] = [Math.fround(0.1), Math.fround(0.11), Math.fround(1.1)];
    const separate = Math.fround(w - Math.fround(rate * g));
    expect(Math.fround(w - rate * g)).not.toBe(separate);
    expect(steps('float32', 0.1, {}, [w], [g]).w).toEqual([separate]);
  });

  test.each(dtypes)('uses the new velocity for Nesterov momentum in %s', (dtype) => {
    const options = { learningRate: 0.3, momentum: 0.7, weightDecay: 0.1, dampening: 0, nesterov: true };
    const { learningRate, ...others } = options;
    const [w, v] = [ARRAYS[dtype].of(1.3), ARRAYS[dtype].of(0)];
    const optimizer = new SGD(learningRate, { ...others, device: 'cpu' });
    const parameter = ARRAYS[dtype].of(1.3) as Float32Array;
    for (const gradient of [0.3, -0.2, 0.9]) {
      const g = ARRAYS[dtype].of(gradient);
      optimizer.update([parameter], [g as Float32Array]);
      oracleStep(dtype, options, w, g, v);
      expectSameBits(dtype, parameter, w, 'parameter');
    }
  });
});
