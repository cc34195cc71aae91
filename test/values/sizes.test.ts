// Every size around the blocks of every instruction set, at every alignment, for each kind of step: no tail is cut or
// overrun.
import type { SGDOptions } from '../../lib';
import { type Dtype, DTYPES } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import type { LeafSpec } from '../helpers/arbitraries';
import { INSTRUCTION_SETS, restoreMachineAfterwards } from '../helpers/machine';
import { expectOracleBits } from '../helpers/treeProperty';

restoreMachineAfterwards();

const SIZES = [...Array.from({ length: 131 }, (_, size) => size), 191, 192, 193, 255, 256, 257, 383, 384, 385, 4999];

const OPTIONS: readonly SGDOptions[] = [
  {},
  { weightDecay: 0.1 },
  { momentum: 0.9 },
  { momentum: 0.9, dampening: 0.3, weightDecay: 0.1 },
  { momentum: 0.9, nesterov: true },
  { momentum: 0.9, nesterov: true, weightDecay: 0.1 },
];

const defaults = { momentum: 0, weightDecay: 0, dampening: 0, nesterov: false };

const leafOf = (dtype: Dtype, length: number): LeafSpec => ({
  dtype,
  length,
  before: length % 17,
  after: 1 + (length % 5),
  kind: 'tensor',
  hasGradient: true,
  seed: length,
});

describe.each(INSTRUCTION_SETS)('%s', (instructionSet) => {
  describe.each(DTYPES)('%s', (dtype) => {
    test.each(OPTIONS)('steps leaves of every size with %p', async (options) => {
      const specs = SIZES.map((length) => leafOf(dtype, length));
      const hyperparameters = { ...defaults, ...options, learningRate: 0.1 } as never;
      const machine = { device: 'auto', threads: 1, instructionSet } as const;
      const stepping = { hyperparameters, method: 'update', memory: 'views', steps: 2, hostile: true } as const;
      await expectOracleBits(specs, { ...machine, ...stepping });
    });
  });
});

test('an instruction set that the processor lacks is refused', () => {
  expect(() => {
    native().chooseInstructionSet('abacus');
  }).toThrow('no such instruction set');
});
