// Makes the arrays that the steps of some parameters use, before the first of them.
import { copyAll } from '../memory/assign';
import { zerosFor } from '../memory/zeros';
import { checkLeaf, type CheckedLeaf } from '../tree/leaf';
import { isNarrow, type Part, type Slot } from './slot';
import { type Keeps, partLayout } from './stateTree';

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

/** Makes what is missing: one arena for each part. `parts` are made as far as steps use them. */
export function complete(stepping: readonly Stepping[], keeps: Keeps, parts: readonly Part[]): void {
  for (const part of parts) {
    const using = stepping.filter((one) => usedParts(one, keeps).includes(part));
    makePart(part, using, keeps);
    if (part === 'master') refreshMasters(using);
  }
}

function makePart(part: Part, stepping: readonly Stepping[], keeps: Keeps): void {
  const layoutOf = ({ slot }: Stepping): ReturnType<typeof partLayout> => partLayout(slot, part, keeps.masters);
  const bare = stepping.filter((one) => one.slot.get(part)?.dtype !== layoutOf(one).dtype);
  if (bare.length === 0) return;
  const made = zerosFor(bare.map(layoutOf)).map((leaf, i) => checkLeaf(leaf, bare[i].slot.nameOf(part)));
  // A velocity of 16 bits from a file or a state.
  const widened = bare.flatMap(({ slot }, i) => {
    const narrow = slot.get(part);
    return narrow ? [{ narrow, wide: made[i] }] : [];
  });
  copyAll(
    widened.map(({ wide }) => wide),
    widened.map(({ narrow }) => narrow),
  );
  bare.forEach(({ slot }, i) => {
    const isNew = !slot.has(part);
    slot.set(part, made[i]);
    if (part === 'v') slot.isFirstVelocity ||= isNew;
    if (part === 'ema') slot.isFirstAverage ||= isNew;
    if (part === 'master') slot.isMasterStale = true;
  });
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
