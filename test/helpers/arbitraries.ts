// What fast-check draws: hyperparameters, sizes, trees of leaves, and how they are stepped.
import fc from 'fast-check';
import { type Dtype, DTYPES } from '../../lib/tree/dtype';
import type { DeviceChoice } from '../../lib';
import { INSTRUCTION_SETS } from './machine';
import type { Hyperparameters } from './oracle';

const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true, minExcluded: true });

const dampened = fc.record({
  momentum: fc.oneof(fc.constantFrom(0, -0.5, 0.9, 1e-50), between(0, 1.5)),
  dampening: fc.oneof(fc.constantFrom(0, 1, -0.5, 1e-50), between(0, 2)),
  nesterov: fc.constant(false),
});

const nesterov = fc.record({
  momentum: fc.oneof(fc.constantFrom(0.9, 1e-50), between(0, 1.5)),
  dampening: fc.constantFrom(0, -0),
  nesterov: fc.constant(true),
});

const learningRates = fc.oneof(fc.constantFrom(0, 0.1, -0.1, 1e-40, 1e-46, 1e30), between(0, 1));

/** Every combination that the library accepts; each kind of step is about as frequent as the others. */
export const hyperparameters: fc.Arbitrary<Hyperparameters> = fc
  .tuple(fc.oneof(dampened, nesterov), learningRates, fc.oneof(fc.constantFrom(0, 1e-4, -0.01, 1e-50), between(0, 1)))
  .map(([velocity, learningRate, weightDecay]) => ({ ...velocity, learningRate, weightDecay }));

/** Elements of a leaf: many small ones, those around the blocks of every instruction set, and some of a few thousand. */
export const sizes: fc.Arbitrary<number> = fc.oneof(
  fc.nat(130),
  fc.constantFrom(127, 128, 129, 255, 256, 257, 383, 384, 385, 511, 512, 513),
  fc.nat(5000),
);

/** One leaf, as a drawn description. */
export interface LeafSpec {
  readonly dtype: Dtype;
  readonly length: number;
  /** Elements of the bigger array that lie before the leaf, and after it: odd ones are unaligned. */
  readonly before: number;
  readonly after: number;
  readonly kind: 'bare' | 'tensor';
  readonly hasGradient: boolean;
  readonly seed: number;
}

/** A tree of leaf descriptions. */
export type SpecTree = LeafSpec | SpecTree[] | { [key: string]: SpecTree };

const leaf: fc.Arbitrary<LeafSpec> = fc.record({
  dtype: fc.constantFrom(...DTYPES),
  length: sizes,
  before: fc.nat(17),
  after: fc.nat(17),
  kind: fc.constantFrom('bare', 'tensor'),
  hasGradient: fc.nat(5).map((n) => n > 0),
  seed: fc.nat(),
});

const keys = fc.constantFrom('weight', 'bias', 'step', 'v', '0', '1', 'scale', 'ø', 'a b', '');

/** Objects and lists of leaves to a depth of four. */
export const specTrees: fc.Arbitrary<SpecTree> = fc.letrec<{ tree: SpecTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    leaf,
    fc.array(tie('tree'), { maxLength: 5 }),
    fc.dictionary(keys, tie('tree'), { maxKeys: 4, noNullPrototype: false }),
  ),
})).tree;

/** How a tree is stepped, and on what. */
export interface Stepping {
  readonly hyperparameters: Hyperparameters;
  readonly method: 'update' | 'updateAsync' | 'applyGradients';
  /** The caller's own arrays, or all of a tree in one arena. */
  readonly memory: 'views' | 'arena';
  readonly device: DeviceChoice;
  readonly steps: number;
  readonly threads: number;
  readonly instructionSet: string;
  /** Whether NaN, infinities, subnormals and so on are among the elements. */
  readonly hostile: boolean;
}

export const steppings: fc.Arbitrary<Stepping> = fc.record({
  hyperparameters,
  method: fc.constantFrom('update', 'updateAsync', 'applyGradients'),
  memory: fc.constantFrom('views', 'arena'),
  device: fc.constantFrom('auto', 'cpu'),
  steps: fc.integer({ min: 1, max: 4 }),
  threads: fc.integer({ min: 1, max: 8 }),
  instructionSet: fc.constantFrom(...INSTRUCTION_SETS),
  hostile: fc.boolean(),
});
