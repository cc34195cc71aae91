// Hands leaves to the addon, each array with its place in an arena.
import { type ArenaPages, type Choices, constants, type Leaves, native, type PreparedTree } from '../addon/native';
import type { Role, Target } from '../addon/names';
import type { Settings } from '../addon/settings';
import { asMetalError, typeError, Verbatim } from '../errors';
import { type Arena, placeOf } from '../memory/arena';
import { bufferOf, byteLengthOf, type CheckedLeaf, offsetOf } from '../tree/leaf';

/** One leaf of a step with all of its arrays. */
export interface StepLeaf extends Readonly<Partial<Record<Role, CheckedLeaf>>> {
  readonly parameter: CheckedLeaf;
  /** Summed in this order. */
  readonly gradients: readonly CheckedLeaf[];
  /** 0 for the optimizer's own. */
  readonly group: number;
  /** What the step makes instead of going on with it. */
  readonly first: readonly Role[];
}

type HowToPrepare = Omit<HowToStep, 'isTogether'>;

/** Where a step runs, and the row of numbers that it reads and writes. */
export interface HowToStep {
  readonly target: Target;
  readonly settings: Settings;
  /** What earlier steps have led to under 'auto'. */
  readonly choices: Choices | null;
  /** True if steps may measure their gradients. */
  readonly measures: boolean;
  /** True if several processes step together. */
  readonly isTogether: boolean;
}

/** Leaves ready to step. */
export function prepareStep(leaves: readonly StepLeaf[], how: HowToPrepare): PreparedTree {
  if (how.target === 'gpu') for (const { parameter } of leaves) checkForGpu(parameter);
  try {
    return native().prepareStep(listed(leaves, how));
  } catch (error) {
    throw asMetalError(error);
  }
}

/** Leaves whose gradients are summed into the parameter. */
export function prepareSum(leaves: readonly StepLeaf[], settings: Settings): PreparedTree {
  return native().prepareSum(listed(leaves, { target: 'cpu', settings, choices: null, measures: false }));
}

/** A bit for each role. */
export function bitsOf(first: readonly Role[]): number {
  const { roles } = constants();
  return first.reduce((bits, role) => bits | (1 << roles.indexOf(role)), 0);
}

function listed(leaves: readonly StepLeaf[], { target, settings, choices, measures }: HowToPrepare): Leaves {
  const { dtypes, roles, targets } = constants();
  const most = leaves.reduce((count, { gradients }) => Math.max(count, gradients.length), 1);
  const width = roles.length + most;
  const arrays = leaves.flatMap((leaf) => [
    ...roles.map((role) => leaf[role]),
    ...Array.from({ length: most }, (_, i) => leaf.gradients.at(i)),
  ]);
  const places = new Places(arrays.length);
  for (const array of arrays) places.add(array);
  return {
    arrays: arrays.map((array) => array?.data ?? null),
    width,
    dtypes: Uint8Array.from(arrays, (array) => dtypes.indexOf(array?.dtype ?? dtypes[0])),
    places: places.numbers,
    groups: Uint8Array.from(leaves, ({ group }) => group),
    first: Uint8Array.from(leaves, ({ first }) => bitsOf(first)),
    settings: settings.rows,
    target: targets.indexOf(target),
    choices,
    measures,
    // Without a GPU nobody wraps arenas: their numbers alone join leaves.
    arenas: target === 'cpu' ? [] : places.arenas,
  };
}

function checkForGpu({ dtype, name }: CheckedLeaf): void {
  if (dtype !== 'float64') return;
  throw typeError(
    'dtype-mismatch',
    name,
    "a dtype that Metal has, since device is 'gpu' (it has no double; 'auto' and 'cpu' take float64)",
    new Verbatim(dtype),
  );
}

/** The places of arrays, and the arenas they lie in, each once. */
class Places {
  /** Two for each array: the index of its arena, and its own in the arena; -1 for none. */
  readonly numbers: Int32Array;
  readonly arenas: ArenaPages[] = [];
  readonly #indices = new Map<Arena, number>();
  #next = 0;

  constructor(count: number) {
    this.numbers = new Int32Array(count * 2).fill(-1);
  }

  add(leaf: CheckedLeaf | undefined): void {
    const place = leaf && placeOf(bufferOf(leaf.data), offsetOf(leaf.data), byteLengthOf(leaf));
    if (place) {
      this.numbers[this.#next] = this.#indexOf(place.arena);
      this.numbers[this.#next + 1] = place.leaf;
    }
    this.#next += 2;
  }

  #indexOf(arena: Arena): number {
    const known = this.#indices.get(arena);
    if (known !== undefined) return known;
    this.#indices.set(arena, this.arenas.length);
    return this.arenas.push({ id: arena.id, pages: arena.pages }) - 1;
  }
}
