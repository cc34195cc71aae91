// One leaf by itself: `SGD.initSingle` and `SGD.applySingle`.
import { typeError } from '../errors';
import { checkLeavesFree } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import { copyOf } from '../memory/zeros';
import { Slot } from '../state/slot';
import { makeVelocities } from '../state/slots';
import type { State } from '../state/state';
import { checkAlike } from '../tree/compare';
import { type CheckedLeaf, checkLeaf, checkStillThere, looksLikeLeaf, notALeaf } from '../tree/leaf';
import { guardReading } from '../tree/tree';
import type { Leaf } from '../tree/types';
import { prepare, withVelocities } from './plan';
import type { Runner } from './runner';

export type SingleState = { v?: Leaf };

/** Gives `state` a zero velocity like `parameter`, unless steps use none. */
export function initSingle(parameter: unknown, state: SingleState, { usesVelocity }: State): SingleState {
  const slot = new Slot(undefined, checkSingle(parameter, 'parameter'));
  checkState(state);
  if (!usesVelocity[0]) return state;
  makeVelocities([slot]);
  state.v = slot.v?.leaf as Leaf;
  return state;
}

/** The stepped copy of `parameter`; writes the velocity of `state` in place. */
export function applySingle(
  gradient: unknown,
  parameter: unknown,
  state: SingleState,
  { usesVelocity, progress }: State,
  runner: Runner,
): object {
  const given = checkSingle(parameter, 'parameter');
  const read = checkSingle(gradient, 'gradient');
  checkAlike(read, given);
  checkState(state);
  const { v } = state;
  const slot = new Slot(undefined, given);
  if (usesVelocity[0] && v !== undefined) {
    const velocity = checkSingle(v, 'state.v');
    checkAlike(velocity, given);
    checkSeparate([velocity], [read, given]);
    slot.v = velocity;
  }
  checkLeavesFree([given, read], 'read');
  if (slot.v) checkLeavesFree([slot.v], 'written');
  const stepped = withVelocities([{ parameter: given, gradient: read, slot, group: 0 }], usesVelocity);
  // Before the step: if the state refuses it, nothing has changed. A setter may run code, so memory is checked after it.
  if (usesVelocity[0] && v === undefined) state.v = slot.v?.leaf as Leaf;
  for (const leaf of [given, read, ...(slot.v ? [slot.v] : [])]) checkStillThere(leaf);
  const result = copyOf(given);
  const prepared = prepare(
    stepped.map((one) => ({ ...one, parameter: checkLeaf(result, 'parameter') })),
    runner,
  );
  runner.stepSingle(prepared, progress.learningRate);
  return result;
}

function checkSingle(leaf: unknown, name: string): CheckedLeaf {
  return guardReading(name, () => {
    if (!looksLikeLeaf(leaf)) throw notALeaf(leaf, name);
    return checkLeaf(leaf, name);
  });
}

function checkState(state: unknown): void {
  if (typeof state !== 'object' || state === null || ArrayBuffer.isView(state)) {
    throw typeError('invalid-state', 'state', 'an object that holds v, or will', state);
  }
}
