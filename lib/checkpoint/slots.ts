// Where the arrays of a file go: into the slots that are there, or into new ones. A file need not have a velocity for
// every parameter: MLX keeps them for trainable arrays, PyTorch and this package from a parameter's first step on. What
// the file lacks starts as in a fresh process.
import { clearElements, zerosFor } from '../memory/zeros';
import { leafDtype } from '../safetensors/header';
import type { Read } from '../safetensors/read';
import { byPath, type Found, makeLeaves, matchTensors, placeAll, readInto, splitFloats } from '../safetensors/trees';
import { type Part, partName, PARTS, type Slot } from '../state/slot';
import type { Parts, Slots } from '../state/slots';
import { forget, isUseful, type Keeps, modelOf, partsOf, remember } from '../state/stateTree';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, checkLeaf } from '../tree/leaf';
import { leavesOf, mapTree } from '../tree/tree';
import type { PartEntries } from './formats';

/** What a file differs in, and, once it is accepted, where its arrays go. */
export interface SlotMatch {
  readonly differences: readonly Difference[];
  /** Makes the arrays that are missing. The optimizer gets them by `commit`, once all is read. */
  readonly place: () => { readonly reads: readonly Read[]; readonly commit: () => void };
}

/** What the match depends on besides the file. */
interface Expected {
  readonly keeps: Keeps;
  /** Parts of which the file has lost some that its program had. */
  readonly lost: readonly Part[];
}

/** A place for an array, as the file has it. */
interface Target {
  readonly slot: Slot;
  readonly part: Part;
  readonly path: Slot['path'];
  readonly name: string;
  readonly model: ReturnType<typeof modelOf>;
}

type Fits = ReturnType<typeof matchTensors<Target>>['fits'];

/**
 * Arrays for slots that are there. One that the file lacks is a difference only if the file has lost some; for velocities
 * also beside one without a slot, since the file may be another model's; for masters if it has any.
 */
export function matchSlots(file: string, found: PartEntries, slots: readonly Slot[], expected: Expected): SlotMatch {
  const matched = PARTS.map((part) => matchPart(file, found[part], part, slots, expected));
  const fits = matched.flatMap((one) => one.fits);
  return {
    differences: matched.flatMap((one) => one.differences),
    place: () => {
      const made = arraysFor(fits);
      const leafOf = (target: Target): CheckedLeaf => made.get(target) ?? (target.slot.get(target.part) as CheckedLeaf);
      return {
        reads: fits.flatMap(({ target, entry }) => readInto(entry, leafOf(target))),
        commit: () => {
          slots.forEach(forget);
          for (const [{ slot, part }, leaf] of made) slot.set(part, leaf);
          for (const { target } of fits) remember(target);
          if (!matched[0].isStrange) restVelocities(slots, fits);
        },
      };
    },
  };
}

/** A velocity that the file lacks is zero, as in its program. */
function restVelocities(slots: readonly Slot[], fits: Fits): void {
  const filled = new Set(fits.flatMap(({ target }) => (target.part === 'v' ? [target.slot] : [])));
  for (const slot of slots) {
    if (filled.has(slot) || !slot.v) continue;
    clearElements(slot.v);
    slot.isFirstVelocity = true;
  }
}

interface PartMatch {
  readonly fits: Fits;
  readonly differences: readonly Difference[];
  /** True if the file may be another model's. */
  readonly isStrange: boolean;
}

function matchPart(
  file: string,
  found: readonly Found[],
  part: Part,
  slots: readonly Slot[],
  { keeps, lost }: Expected,
): PartMatch {
  const entries = byPath(file, found);
  const targets = slots
    .filter((slot) => partsOf(slot, keeps).includes(part))
    .map((slot): Target => {
      const dtype = entries.get(slot.path ?? '')?.dtype ?? '';
      const model = modelOf({ slot, part }, { dtype: leafDtype(dtype) ?? dtype }, keeps);
      return { slot, part, path: slot.path, name: slot.nameOf(part), model };
    });
  const { fits, differences } = matchTensors(entries, targets, (path) =>
    partName(path === '' ? undefined : path, part),
  );
  const isOther =
    part === 'v' ? differences.some(({ kind }) => kind === 'extra') : part === 'master' && found.length > 0;
  const isStrange = lost.includes(part) || isOther;
  // A leaf that is frozen, or has never stepped, has no master.
  const needed = new Set(targets.filter(({ slot }) => part !== 'master' || slot.has('master')).map(({ name }) => name));
  const isDifference = ({ kind, path }: Difference): boolean => kind !== 'missing' || (isStrange && needed.has(path));
  return { fits, differences: differences.filter(isDifference), isStrange };
}

/** New arrays for the places that have none of the file's dtype, one arena for each part. */
function arraysFor(fits: Fits): Map<Target, CheckedLeaf> {
  const made = new Map<Target, CheckedLeaf>();
  for (const part of PARTS) {
    const bare = fits
      .map(({ target }) => target)
      .filter(({ slot, part: own, model }) => own === part && slot.get(part)?.dtype !== model.dtype);
    const leaves = bare.length > 0 ? zerosFor(bare.map(({ model }) => model)) : [];
    bare.forEach((target, i) => made.set(target, checkLeaf(leaves[i], target.name)));
  }
  return made;
}

/** Slots for an optimizer that has none. `note` describes their tree. */
export function newSlots(
  file: string,
  found: PartEntries,
  note: string | undefined,
  slots: Slots,
  keeps: Keeps,
): SlotMatch {
  const useless = PARTS.filter((part) => !isUseful(part, keeps));
  const extra = useless.flatMap((part) => found[part].map(({ path }) => ({ path, part })));
  // One array of each slot stands for its place.
  const seen = new Set<string>();
  const firsts = PARTS.flatMap((part) => found[part]).filter(({ path = '' }) => !seen.has(path) && seen.add(path));
  const { floats, others, differences } = splitFloats(firsts, 'state.parameters');
  return {
    differences: [
      ...differences,
      ...extra.map(({ path, part }): Difference => ({ path: partName(path, part), kind: 'extra' })),
    ],
    place: () => {
      const pathOf = new Map(firsts.map(({ path, entry }) => [entry, path ?? '']));
      const node = placeAll(file, floats, note, others);
      const parts = PARTS.filter((part) => !useless.includes(part)).map((part) => {
        const entries = byPath(file, found[part]);
        const placed = leavesOf(node).flatMap((one) => {
          const entry = entries.get(pathOf.get(one.entry) ?? '');
          return entry ? [{ ...one, entry, path: pathOf.get(one.entry) }] : [];
        });
        const made = makeLeaves(placed, 'state.parameters');
        return { part, made, leafOf: new Map(made.map(({ leaf }, i) => [placed[i].path, leaf])) };
      });
      return {
        reads: parts.flatMap(({ made }) => made.flatMap(({ entry, leaf }) => readInto(entry, leaf))),
        commit: () => {
          slots.adopt(
            mapTree(node, ({ entry }) => {
              const path = pathOf.get(entry);
              const there = parts.flatMap(({ part, leafOf }) => (leafOf.has(path) ? [[part, leafOf.get(path)]] : []));
              return Object.fromEntries(there) as Parts;
            }),
          );
        },
      };
    },
  };
}
