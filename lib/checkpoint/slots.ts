// Where the velocities of a file go: into slots that are known, or into new ones.
import { type Path, prefixed } from '../safetensors/names';
import type { Read } from '../safetensors/read';
import {
  byPath,
  type Difference,
  differenceOf,
  type Found,
  type Made,
  makeLeaves,
  placeAll,
  readInto,
  splitFloats,
} from '../safetensors/trees';
import { type CheckedLeaf, checkLeaf } from '../tree/leaf';
import { zerosFor } from '../memory/zeros';
import type { Entry } from '../safetensors/header';
import { buildTree, leavesOf, type Node } from '../tree/tree';
import type { Slot, Velocities } from '../state/slots';

/** The slots that a file is compared with, by path, and what keeps the new ones among them. */
export interface Known {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly keep: () => void;
}

/** Both ways alike: `reads` makes new arrays, `commit` gives them to the optimizer. */
export interface SlotFilling {
  readonly differences: readonly Difference[];
  reads(): readonly Read[];
  commit(): void;
}

const velocityName = (path: Path): string => `${prefixed('state.parameters', path === '' ? undefined : path) ?? ''}.v`;

/** Fills the velocities of slots that are known. */
export class KnownSlots implements SlotFilling {
  readonly differences: Difference[] = [];
  readonly #keep: () => void;
  readonly #fits: { slot: Slot; entry: Entry }[] = [];
  readonly #made = new Map<Slot, CheckedLeaf>();

  /** `allNeeded`: a slot that has no velocity is to get one, since the file's program always has one. */
  constructor(file: string, found: readonly Found[], { slots, keep }: Known, allNeeded: boolean) {
    this.#keep = keep;
    const extra = byPath(file, found);
    for (const [path, slot] of slots) {
      const entry = extra.get(path);
      const name = velocityName(path);
      extra.delete(path);
      const difference = entry && differenceOf(entry, slot.v ?? slot.model, name);
      if (difference) this.differences.push(difference);
      else if (entry) this.#fits.push({ slot, entry });
      else if (slot.v || allNeeded) this.differences.push({ path: name, kind: 'missing' });
    }
    for (const path of extra.keys()) this.differences.push({ path: velocityName(path), kind: 'extra' });
  }

  reads(): readonly Read[] {
    const bare = this.#fits.filter(({ slot }) => !slot.v);
    const leaves = bare.length > 0 ? zerosFor(bare.map(({ slot }) => slot.model)) : [];
    bare.forEach(({ slot, entry }, i) => this.#made.set(slot, checkLeaf(leaves[i], entry.name)));
    return this.#fits.map(({ slot, entry }) => readInto(entry, slot.v ?? (this.#made.get(slot) as CheckedLeaf)));
  }

  commit(): void {
    for (const [slot, v] of this.#made) slot.v = v;
    this.#keep();
  }
}

/** Makes the velocities of an optimizer that has none. */
export class NewSlots implements SlotFilling {
  readonly differences: readonly Difference[];
  readonly #file: string;
  readonly #floats: readonly Found[];
  readonly #note: string | undefined;
  readonly #velocities: Velocities;
  #made: Node<Made> | undefined;

  constructor(file: string, found: readonly Found[], note: string | undefined, velocities: Velocities) {
    const { floats, differences } = splitFloats(found, 'state.parameters');
    this.differences = differences;
    this.#file = file;
    this.#floats = floats;
    this.#note = note;
    this.#velocities = velocities;
  }

  reads(): readonly Read[] {
    this.#made = makeLeaves(placeAll(this.#file, this.#floats, this.#note), 'state.parameters');
    return leavesOf(this.#made).map(({ entry, leaf }) => readInto(entry, leaf));
  }

  commit(): void {
    if (this.#made) this.#velocities.adopt(buildTree(this.#made, ({ leaf }) => ({ v: leaf.leaf })));
  }
}
