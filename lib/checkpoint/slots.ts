// Where the velocities of a file go: into the slots that are there, or into new ones. A file need not have a velocity for
// every parameter: MLX keeps them for trainable arrays, PyTorch and this package from a parameter's first step on. One
// that the file lacks is zero, as in its program.
import { clearElements, zerosFor } from '../memory/zeros';
import type { Read } from '../safetensors/read';
import { byPath, type Found, makeLeaves, matchTensors, placeAll, readInto, splitFloats } from '../safetensors/trees';
import { type Slot, velocityName } from '../state/slot';
import type { Slots } from '../state/slots';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, checkLeaf } from '../tree/leaf';
import { leavesOf, nodeWith } from '../tree/tree';

/** What a file differs in, and, once it is accepted, where its velocities go. */
export interface SlotMatch {
  readonly differences: readonly Difference[];
  /** Makes the arrays that are missing. The optimizer gets them by `commit`, once all is read. */
  readonly place: () => { readonly reads: readonly Read[]; readonly commit: () => void };
}

/**
 * Velocities for slots that are there. `isShort`: the file has lost some that its program had. One that it lacks is a
 * difference then, and also beside a velocity without a slot: the file may be another model's.
 */
export function matchSlots(file: string, found: readonly Found[], slots: readonly Slot[], isShort: boolean): SlotMatch {
  const entries = byPath(file, found);
  const targets = slots.map((slot) => ({ slot, path: slot.path, name: slot.velocityName, model: slot }));
  const { fits, differences } = matchTensors(entries, targets, velocityName);
  const isStrange = isShort || differences.some(({ kind }) => kind === 'extra');
  return {
    differences: isStrange ? differences : differences.filter(({ kind }) => kind !== 'missing'),
    place: () => {
      const stale = isStrange ? [] : slots.filter(({ path, hasVelocity }) => hasVelocity && !entries.has(path ?? ''));
      const made = velocitiesFor(fits.map(({ target }) => target.slot));
      return {
        reads: fits.flatMap(({ target: { slot }, entry }) =>
          readInto(entry, made.get(slot) ?? (slot.v as CheckedLeaf)),
        ),
        commit: () => {
          for (const [slot, v] of made) slot.v = v;
          for (const { v } of stale) clearElements(v as CheckedLeaf);
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
  const { floats, others, differences } = splitFloats(found, 'state.parameters');
  return {
    differences,
    place: () => {
      const node = placeAll(file, floats, note, others);
      const made = makeLeaves(leavesOf(node), 'state.parameters');
      return {
        reads: made.flatMap(({ entry, leaf }) => readInto(entry, leaf)),
        commit: () => {
          slots.adopt(
            nodeWith(
              node,
              made.map(({ leaf }) => leaf),
            ),
          );
        },
      };
    },
  };
}
