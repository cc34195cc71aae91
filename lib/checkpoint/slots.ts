// Where the velocities of a file go: into the slots that are there, or into new ones.
import { zerosFor } from '../memory/zeros';
import type { Read } from '../safetensors/read';
import { byPath, type Found, makeLeaves, matchTensors, placeAll, readInto, splitFloats } from '../safetensors/trees';
import { type Slot, type Slots, velocityName } from '../state/slots';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, checkLeaf } from '../tree/leaf';
import { leavesOf, mapTree } from '../tree/tree';

/** What a file differs in, and, once it is accepted, where its velocities go. */
export interface SlotMatch {
  readonly differences: readonly Difference[];
  /** Makes the arrays that are missing. The optimizer gets them by `commit`, once all is read. */
  readonly place: () => { readonly reads: readonly Read[]; readonly commit: () => void };
}

/** Velocities for slots that are there. `isComplete`: the file's program stores a velocity for every parameter. */
export function matchSlots(
  file: string,
  found: readonly Found[],
  slots: readonly Slot[],
  isComplete: boolean,
): SlotMatch {
  const targets = slots.map((slot) => {
    const { path, velocityName: name, hasVelocity } = slot;
    return { slot, path, name, model: slot, isOptional: !hasVelocity && !isComplete };
  });
  const { fits, differences } = matchTensors(byPath(file, found), targets, velocityName);
  return {
    differences,
    place: () => {
      const made = velocitiesFor(fits.map(({ target }) => target.slot));
      return {
        reads: fits.map(({ target: { slot }, entry }) => readInto(entry, made.get(slot) ?? (slot.v as CheckedLeaf))),
        commit: () => {
          for (const [slot, v] of made) slot.v = v;
        },
      };
    },
  };
}

/** New velocities for the slots that have none, in one arena. */
function velocitiesFor(slots: readonly Slot[]): Map<Slot, CheckedLeaf> {
  const bare = slots.filter(({ hasVelocity }) => !hasVelocity);
  const leaves = bare.length > 0 ? zerosFor(bare) : [];
  return new Map(bare.map((slot, i) => [slot, checkLeaf(leaves[i], slot.velocityName)]));
}

/** Velocities for an optimizer that has no slot. */
export function newSlots(file: string, found: readonly Found[], note: string | undefined, slots: Slots): SlotMatch {
  const { floats, differences } = splitFloats(found, 'state.parameters');
  return {
    differences,
    place: () => {
      const made = makeLeaves(placeAll(file, floats, note), 'state.parameters');
      return {
        reads: leavesOf(made).map(({ entry, leaf }) => readInto(entry, leaf)),
        commit: () => {
          slots.adopt(mapTree(made, ({ leaf }) => leaf));
        },
      };
    },
  };
}
