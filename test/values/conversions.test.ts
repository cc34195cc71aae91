// 16-bit dtypes: every pattern is read and written back, and every rounding goes to the nearest, of two to the even one.
import { type Dtype, type LeafData } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import { expectSameBits } from '../helpers/bits';
import { BFLOAT16, FLOAT16, type HalfFormat, narrow } from '../helpers/half';
import { INSTRUCTION_SETS, restoreMachineAfterwards } from '../helpers/machine';
import { nativeStepper } from '../helpers/nativeLeaf';
import { type Hyperparameters, type Subnormals, valuesOf } from '../helpers/oracle';
import { roundings } from '../helpers/roundings';

restoreMachineAfterwards();

const FORMATS: readonly [Dtype, HalfFormat][] = [
  ['float16', FLOAT16],
  ['bfloat16', BFLOAT16],
];

const ONE: Record<string, number> = { float16: 0x3c00, bfloat16: 0x3f80 };

const plain: Hyperparameters = { learningRate: 0, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false };
const momentum: Hyperparameters = { ...plain, momentum: 1 };

const PATTERNS = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);

describe.each(FORMATS)('the oracle’s %s', (dtype, format) => {
  test('reads back every value that it writes', () => {
    const values = valuesOf(format);
    expectSameBits(
      dtype,
      Uint16Array.from(values, (value) => narrow(value, format)),
      PATTERNS,
      'pattern',
    );
  });

  test('rounds to the nearest value', () => {
    const cases = roundings(format);
    const rounded = Uint16Array.from(cases, ({ value }) => narrow(value, format));
    expectSameBits(
      dtype,
      rounded,
      Uint16Array.from(cases, ({ bits }) => bits),
      'rounding',
    );
  });

  test('has the well-known values', () => {
    const known: [number, number][] =
      dtype === 'float16'
        ? [
            [0x3c00, 1],
            [0xc000, -2],
            [0x7bff, 65504],
            [0x0001, 2 ** -24],
            [0x0400, 2 ** -14],
            [0x3555, 0.333251953125],
          ]
        : [
            [0x3f80, 1],
            [0xc000, -2],
            [0x7f7f, 255 * 2 ** 120],
            [0x0001, 2 ** -133],
            [0x0080, 2 ** -126],
            [0x3eab, 0.333984375],
          ];
    for (const [bits, value] of known) expect(valuesOf(format)[bits]).toBe(value);
  });
});

/** A leaf of `length` like elements, whose first, last in the vector blocks, and last are looked at. */
const LENGTH = 131;
const LOOKED_AT = [0, 127, LENGTH - 1];

describe.each(INSTRUCTION_SETS)('%s', (instructionSet) => {
  beforeEach(() => {
    native().chooseInstructionSet(instructionSet);
  });

  describe.each(FORMATS)('%s', (dtype, format) => {
    test('keeps every bit pattern of parameter and velocity in a step that changes nothing', () => {
      // In blocks, and one by one after the blocks.
      for (const length of [0x10000, 127]) {
        for (let from = 0; from < 0x10000; from += length) {
          const patterns = PATTERNS.subarray(from, from + length);
          const [w, v] = [patterns.slice(), patterns.slice()];
          nativeStepper([{ dtype, w, g: new Uint16Array(w.length), v: null }])(plain);
          expectSameBits(dtype, w, patterns, 'parameter');
          nativeStepper([{ dtype, w: new Uint16Array(v.length), g: new Uint16Array(v.length), v }])(momentum);
          expectSameBits(dtype, v, addingZero(patterns), 'velocity');
        }
      }
    });

    test.each<Subnormals>(['keep', 'flush'])('flushes only float32 subnormals, in the mode %s', (subnormals) => {
      const w = PATTERNS.slice();
      nativeStepper([{ dtype, w, g: new Uint16Array(w.length), v: null }])(plain, subnormals);
      const flushes = subnormals === 'flush' && dtype === 'bfloat16';
      const flush = (bits: number): number => ((bits & 0x7fff) < 0x80 ? bits & 0x8000 : bits);
      expectSameBits(dtype, w, flushes ? PATTERNS.map(flush) : PATTERNS, 'parameter');
    });

    test('rounds every value to the nearest, ties to even', () => {
      const w = new Uint16Array(LENGTH);
      const g = new Uint16Array(LENGTH).fill(ONE[dtype]);
      const step = nativeStepper([{ dtype, w, g, v: null }]);
      const cases = roundings(format);
      const rounded = LOOKED_AT.map(() => new Uint16Array(cases.length));
      cases.forEach(({ value }, i) => {
        w.fill(0);
        step({ ...plain, learningRate: -value });
        LOOKED_AT.forEach((at, k) => (rounded[k][i] = w[at]));
      });
      const expected: LeafData = Uint16Array.from(cases, ({ bits }) => bits);
      rounded.forEach((bits, k) => {
        expectSameBits(dtype, bits, expected, `element ${String(LOOKED_AT[k])} rounded`);
      });
    });
  });
});

/** v <- 1 * v + 0 makes 0 of -0. */
function addingZero(patterns: Uint16Array): Uint16Array {
  return patterns.map((bits) => (bits === 0x8000 ? 0 : bits));
}
