// The property of what an optimizer keeps between steps: it behaves as if it kept nothing.
import fc from 'fast-check';
import { SGD } from '../../lib/index';
import { type Failure, failure } from './failures';
import { loose } from './loose';
import { bytesOf, memoryOf } from './memory';
import { type Change, change, CHANGE_NAMES, copyOfPair, freshPair, type Pair } from './mutations';

/** A step and what is changed before it. */
interface ChangedStep {
  readonly changes: readonly Change[];
  readonly momentum: number;
}

const steps: fc.Arbitrary<ChangedStep[]> = fc.array(
  fc.record({
    changes: fc.array(
      fc.record({
        name: fc.constantFrom(...CHANGE_NAMES),
        tree: fc.constantFrom('parameters', 'gradients'),
        place: fc.nat(20),
        other: fc.nat(20),
      }),
      { maxLength: 2 },
    ),
    momentum: fc.constantFrom(0.5, 0.5, 0.5, 0),
  }),
  { minLength: 2, maxLength: 12 },
);

function outcomeOf(optimizer: SGD, { parameters, gradients }: Pair): Failure | undefined {
  try {
    loose(optimizer).update(parameters, gradients);
    return undefined;
  } catch (error) {
    return failure(error);
  }
}

/**
 * One optimizer gets the same objects again and again, changed in between; its twin gets fresh copies of them at every
 * step. Both must do the same: the same bits, or the same error, which then has changed nothing.
 */
function expectSameAsTwin(drawn: readonly ChangedStep[]): void {
  const [optimizer, twin] = [new SGD(0.5, { momentum: 0.5 }), new SGD(0.5, { momentum: 0.5 })];
  let pair = freshPair();
  expect(outcomeOf(optimizer, pair)).toBe(outcomeOf(twin, freshPair()));
  for (const { changes, momentum } of drawn) {
    for (const one of changes) change(pair, one);
    for (const each of [optimizer, twin]) each.momentum = momentum;
    const copy = copyOfPair(pair);
    const before = bytesOf(pair) + memoryOf(optimizer);
    const outcome = outcomeOf(optimizer, pair);
    expect(outcome).toEqual(outcomeOf(twin, copy));
    expect(bytesOf(pair)).toBe(bytesOf(copy));
    expect(memoryOf(optimizer)).toBe(memoryOf(twin));
    if (!outcome) continue;
    expect(outcome.code).toEqual(expect.any(String));
    expect(bytesOf(pair) + memoryOf(optimizer)).toBe(before);
    pair = freshPair();
  }
}

/** Checks the property for so many drawn histories. */
export function checkCaching(seed: number, numRuns: number): void {
  fc.assert(fc.property(steps, expectSameAsTwin), { seed, numRuns });
}
