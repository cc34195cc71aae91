// One leaf by itself: `SGD.initSingle` and `SGD.applySingle`.
import { typeError } from '../errors';
import { checkSeparate } from '../memory/overlap';
import { copyOf } from '../memory/zeros';
import { makeVelocities, Slot } from '../state/slots';
import type { State } from '../state/state';
import { checkAlike } from '../tree/compare';
import { type CheckedLeaf, checkLeaf, looksLikeLeaf, notALeaf } from '../tree/leaf';
import type { Leaf } from '../tree/types';
import { prepare, withVelocities } from './plan';
import type { Runner } from './runner';

type SingleState = { v?: Leaf };

/** Gives `state` a zero velocity like `parameter`, unless steps use none. */
export function initSingle(parameter: unknown, state: SingleState, { usesVelocity }: State): SingleState {
  const slot = new Slot(undefined, checkSingle(parameter, 'parameter'));
  checkState(state);
  if (!usesVelocity) return state;
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
  if (usesVelocity && v !== undefined) {
    slot.v = checkSingle(v, 'state.v');
    checkAlike(slot.v, given);
    checkSeparate([slot.v], [read, given]);
  }
  const result = copyOf(given);
  const stepped = [{ parameter: checkLeaf(result, 'parameter'), gradient: read, slot }];
  const prepared = prepare(withVelocities(stepped, usesVelocity), runner);
  // Before the step: a state that can't take it throws, and then nothing has changed.
  if (slot.v && v === undefined) state.v = slot.v.leaf as Leaf;
  runner.stepSingle(prepared, progress.learningRate);
  return result;
}

function checkSingle(leaf: unknown, name: string): CheckedLeaf {
  if (!looksLikeLeaf(leaf)) throw notALeaf(leaf, name);
  return checkLeaf(leaf, name);
}

function checkState(state: unknown): void {
  if (typeof state !== 'object' || state === null || ArrayBuffer.isView(state)) {
    throw typeError('invalid-state', 'state', 'an object that holds v, or will', state);
  }
}
