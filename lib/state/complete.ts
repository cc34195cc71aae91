// Makes the arrays that the steps of some parameters use, before the first of them.
import { copyAll } from '../memory/assign';
import type { CheckedLeaf } from '../tree/leaf';
import { isNarrow, type Part, PARTS, type Slot } from './slot';
import { type Keeps, makeArrays } from './stateTree';

/** A parameter whose steps use a slot; `velocity`: they have a momentum. */
export interface Stepping {
  readonly parameter: CheckedLeaf;
  readonly slot: Slot;
  readonly velocity: boolean;
}

/** The parts that the steps of a parameter read and write. */
export function usedParts({ slot, velocity }: Omit<Stepping, 'parameter'>, keeps: Keeps): readonly Part[] {
  const parts: Part[] = velocity ? ['v'] : [];
  if (keeps.masters && isNarrow(slot.dtype)) parts.push('master');
  if (keeps.averages) parts.push('ema');
  return parts;
}

/** Makes what is missing, for a step: one arena for each part. */
export function completeForStep(stepping: readonly Stepping[], keeps: Keeps): void {
  const without = stepping.filter(({ slot }) => !slot.hasVelocity);
  make(stepping, keeps, PARTS);
  for (const { slot } of without) slot.isForStep = true;
}

/** The same of some parts, for a caller who asks for them. */
export function complete(stepping: readonly Stepping[], keeps: Keeps, parts: readonly Part[]): void {
  make(stepping, keeps, parts);
  for (const { slot } of stepping) slot.isForStep = false;
}

/** `parts` are made as far as steps use them. */
function make(stepping: readonly Stepping[], keeps: Keeps, parts: readonly Part[]): void {
  for (const part of parts) {
    const using = stepping.filter((one) => usedParts(one, keeps).includes(part));
    makePart(part, using, keeps);
    if (part === 'master') refreshMasters(using);
  }
}

function makePart(part: Part, stepping: readonly Stepping[], { masters }: Keeps): void {
  const slots = stepping.map(({ slot }) => slot);
  const made = makeArrays(slots, part, masters);
  for (const { slot, former } of made) {
    if (part === 'v') slot.isFirstVelocity ||= !former;
    if (part === 'ema') slot.isFirstAverage ||= !former;
    if (part === 'master') slot.isMasterStale = true;
  }
  // A velocity of 16 bits came from a file or a state.
  const widened = made.flatMap(({ made: wide, former }) => (former ? [{ wide, former }] : []));
  copyAll(
    widened.map(({ wide }) => wide),
    widened.map(({ former }) => former),
  );
}

function refreshMasters(stepping: readonly Stepping[]): void {
  const stale = stepping.filter(({ slot }) => slot.isMasterStale);
  if (stale.length === 0) return;
  copyAll(
    stale.map(({ slot }) => slot.get('master') as CheckedLeaf),
    stale.map(({ parameter }) => parameter),
  );
  for (const { slot } of stale) slot.isMasterStale = false;
}
