// One leaf by itself: `SGD.initSingle` and `SGD.applySingle`.
import { coded, typeError } from '../errors';
import { checkLeavesFree } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import { copyOf } from '../memory/zeros';
import { Slot } from '../state/slot';
import { complete } from '../state/complete';
import type { State } from '../state/state';
import { checkAlike } from '../tree/compare';
import { type CheckedLeaf, checkLeaf, checkStillThere, looksLikeLeaf, notALeaf } from '../tree/leaf';
import { guardReading } from '../tree/tree';
import type { Leaf } from '../tree/types';
import { stepLeaves } from './plan';
import { prepareStep } from './prepare';
import { checkGradient } from './pairs';
import type { Runner } from './runner';

export type SingleState = { v?: Leaf };

/** Throws for options that need a tree: one leaf by itself has no group, and nothing but a velocity. */
export function refuseSingle(what: string, { groups, keeps, around, lossScale }: State): void {
  const given = [
    ...(groups.count > 0 ? ['groups'] : []),
    ...(keeps.masters ? ['masterWeights'] : []),
    ...(keeps.averages ? ['emaDecay'] : []),
    ...(around.maxNorm === undefined ? [] : ['maxNorm']),
    ...(around.nonFinite === 'apply' ? [] : ['nonFinite']),
    ...(lossScale ? ['lossScale'] : []),
  ];
  if (given.length === 0) return;
  const text = `${what}: takes no ${given.join(', ')}; use an optimizer without them, or update`;
  throw coded(Error, 'not-single', text);
}

/** Velocities that `initSingle` made, before the first step with them. */
const firsts = new WeakSet<object>();

/** Gives `state` a zero velocity like `parameter`, unless steps use none. */
export function initSingle(parameter: unknown, state: SingleState, { usesVelocity, keeps }: State): SingleState {
  const given = checkSingle(parameter, 'parameter');
  const slot = new Slot(undefined, given);
  checkState(state);
  if (!usesVelocity[0]) return state;
  complete([{ parameter: given, slot, velocity: true }], keeps, ['v']);
  const v = slot.v?.leaf as Leaf;
  firsts.add(v);
  state.v = v;
  return state;
}

/** The stepped copy of `parameter`; writes the velocity of `state` in place. */
export function applySingle(
  gradient: unknown,
  parameter: unknown,
  state: SingleState,
  { usesVelocity, progress, keeps }: State,
  runner: Runner,
): object {
  const given = checkSingle(parameter, 'parameter');
  const read = checkSingle(gradient, 'gradient');
  checkGradient(read, given);
  checkState(state);
  const { v } = state;
  const slot = new Slot(undefined, given);
  const [velocity] = usesVelocity;
  if (velocity && v !== undefined) {
    const there = checkSingle(v, 'state.v');
    checkAlike(there, given);
    checkSeparate([there], [read, given]);
    slot.set('v', there);
    slot.isFirstVelocity = firsts.has(v);
  }
  checkLeavesFree([given, read], 'read');
  if (slot.v) checkLeavesFree([slot.v], 'written');
  const one = { parameter: given, gradients: [read], slot, group: 0, velocity };
  complete([one], keeps, ['v']);
  // Before the step: if the state refuses it, nothing has changed. A setter may run code, so memory is checked after it.
  if (velocity && v === undefined) state.v = slot.v?.leaf as Leaf;
  for (const leaf of [given, read, ...(slot.v ? [slot.v] : [])]) checkStillThere(leaf);
  const result = copyOf(given);
  const leaves = stepLeaves([one], keeps).map((leaf) => ({ ...leaf, parameter: checkLeaf(result, 'parameter') }));
  runner.stepSingle(prepareStep(leaves, runner), progress.learningRate);
  if (v !== undefined) firsts.delete(v);
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
