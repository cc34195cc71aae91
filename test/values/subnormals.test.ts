// float32 subnormals: kept on the CPU as MLX's CPU does, flushed as Apple GPUs do where that is asked; float64 never.
import { SGD } from '../../lib';
import { type Dtype, DTYPES, type LeafData } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import { copied, expectSameBits } from '../helpers/bits';
import { ARRAYS } from '../helpers/leaves';
import { INSTRUCTION_SETS, restoreMachineAfterwards } from '../helpers/machine';
import { type NativeLeaf, nativeStepper } from '../helpers/nativeLeaf';
import { type Hyperparameters, oracleStep, type Subnormals } from '../helpers/oracle';
import { fillRandom } from '../helpers/random';

restoreMachineAfterwards();

const options: Hyperparameters = { learningRate: 0.1, momentum: 0.9, weightDecay: 0, dampening: 0, nesterov: false };
const MODES: readonly Subnormals[] = ['keep', 'flush'];

const isBelow = (exponent: number) => (value: number) => value !== 0 && Math.abs(value) < 2 ** exponent;
/** As a float32. */
const isSubnormal = isBelow(-126);

/** 2,000 steps with zero gradients beside the oracle; the velocity after each of the steps asked for. */
function coast(dtype: Dtype, subnormals: Subnormals, watched: readonly number[]): LeafData[] {
  const length = 37;
  const w = new ARRAYS[dtype](length);
  const v = new ARRAYS[dtype](length);
  fillRandom(dtype, w, 1, false);
  fillRandom(dtype, v, 2, false);
  // Small enough to become subnormal in its own format: flushing mode, where it counts, counts for that one.
  if (dtype === 'float64') v.forEach((value, i) => (v[i] = value * 2 ** -900));
  const g = new ARRAYS[dtype](length);
  const [expectedW, expectedV] = [copied(w), copied(v)];
  const step = nativeStepper([{ dtype, w, g, v }]);
  const seen: LeafData[] = [];
  for (let i = 1; i <= 2000; i++) {
    step(options, subnormals);
    oracleStep(dtype, options, expectedW, g, expectedV, subnormals);
    expectSameBits(dtype, w, expectedW, `parameter after step ${String(i)}`);
    expectSameBits(dtype, v, expectedV, `v after step ${String(i)}`);
    if (watched.includes(i)) seen.push(copied(v));
  }
  return seen;
}

describe.each(INSTRUCTION_SETS)('%s', (instructionSet) => {
  beforeEach(() => {
    native().chooseInstructionSet(instructionSet);
  });

  test.each(DTYPES.flatMap((dtype) => MODES.map((mode) => [dtype, mode] as const)))(
    'a fading %s velocity matches the oracle for 2,000 steps in the mode %s',
    (dtype, subnormals) => {
      coast(dtype, subnormals, []);
    },
  );

  test.each(DTYPES.flatMap((dtype) => MODES.map((mode) => [dtype, mode] as const)))(
    'random bits of %s match the oracle in the mode %s',
    (dtype, subnormals) => {
      const [w, g, v] = [1, 2, 3].map((seed) => {
        const data = new ARRAYS[dtype](5003);
        fillRandom(dtype, data, seed, true);
        return data;
      });
      const [expectedW, expectedV] = [copied(w), copied(v)];
      const step = nativeStepper([{ dtype, w, g, v }]);
      // Large and small, so that subnormal operands make normal results and the other way round.
      for (const learningRate of [2 ** 40, 2 ** -40, 1e-40]) {
        const given = { ...options, learningRate, weightDecay: learningRate, nesterov: true };
        step(given, subnormals);
        oracleStep(dtype, given, expectedW, g, expectedV, subnormals);
        expectSameBits(dtype, w, expectedW, 'parameter');
        expectSameBits(dtype, v, expectedV, 'v');
      }
    },
  );

  test('a fading float32 velocity stays subnormal, or becomes 0 in the mode flush', () => {
    const [kept, last] = coast('float32', 'keep', [900, 2000]);
    expect(Array.from(kept).every(isSubnormal)).toBe(true);
    expect(Array.from(last).every((value) => value !== 0)).toBe(true);
    const [flushed] = coast('float32', 'flush', [900]);
    expect(Array.from(flushed).every((value) => value === 0)).toBe(true);
  });

  test('a fading float64 velocity becomes subnormal in either mode', () => {
    const [kept] = coast('float64', 'flush', [950]);
    expect(Array.from(kept).every(isBelow(-1022))).toBe(true);
  });
});

test('a step flushes float32 leaves but not a float64 leaf between them', () => {
  const [one, between, other] = [Float32Array.of(2 ** -130), Float64Array.of(2 ** -1060), Float32Array.of(2 ** -130)];
  const leaves = [one, between, other].map((w): NativeLeaf => {
    const dtype = w === between ? 'float64' : 'float32';
    return { dtype, w, g: new ARRAYS[dtype](1), v: null };
  });
  nativeStepper(leaves)({ ...options, momentum: 0 }, 'flush');
  expect([one[0], between[0], other[0]]).toEqual([0, 2 ** -1060, 0]);
});

test('a step that flushes restores the mode of the calling thread', () => {
  const [w, tiny] = [Float32Array.of(1), Float64Array.of(2 ** -1060)];
  nativeStepper([{ dtype: 'float32', w, g: w.slice(), v: null }])({ ...options, momentum: 0 }, 'flush');
  expect(tiny[0] * 0.5 > 0).toBe(true);
});

test('an optimizer on the CPU keeps subnormals for 2,000 steps', () => {
  const optimizer = new SGD(0.1, { momentum: 0.9, device: 'cpu' });
  const [w, g] = [Float32Array.of(1, -2, 3), Float32Array.of(1, -1, 0.5)];
  const [expectedW, expectedV] = [copied(w), new Float32Array(3)];
  for (let i = 1; i <= 2000; i++) {
    if (i === 2) g.fill(0);
    optimizer.update([w], [g]);
    oracleStep('float32', options, expectedW, g, expectedV);
  }
  const [{ v }] = optimizer.state.parameters as [{ v: Float32Array }];
  expectSameBits('float32', w, expectedW, 'parameter');
  expectSameBits('float32', v, expectedV, 'v');
  expect(Array.from(v).every(isSubnormal)).toBe(true);
});
