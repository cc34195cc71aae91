// A plan: two trees that were checked, paired and handed to the addon once. It serves as long as the same arrays come back.
import { type ArenaPages, constants, native, type PreparedTree } from '../addon/native';
import type { Target } from '../addon/names';
import type { Settings } from '../addon/settings';
import { asMetalError, typeError, Verbatim } from '../errors';
import { type Arena, placeOf } from '../memory/arena';
import { type Arrays, Footprint } from '../memory/inUse';
import { Slot } from '../state/slot';
import { makeVelocities } from '../state/slots';
import { bufferOf, byteLengthOf, type CheckedLeaf, isShared, offsetOf } from '../tree/leaf';
import { type ReadTree, Snapshot } from './snapshot';

/** A parameter, its gradient, the slot of its velocity, and its group: 0 for the optimizer's own. */
export interface Stepped {
  readonly parameter: CheckedLeaf;
  readonly gradient: CheckedLeaf;
  readonly slot: Slot;
  readonly group: number;
}

/** Where a step runs, and the row of numbers that it reads and writes. */
export interface HowToStep {
  readonly target: Target;
  readonly settings: Settings;
}

/** Two trees, ready to step. */
export class Plan {
  readonly prepared: PreparedTree;
  /** Kept alive here: the prepared tree points into them. */
  readonly #arrays: Arrays;
  /** True if all arrays lie in shared memory, which nobody can detach. */
  readonly isShared: boolean;
  /** What a step reads and writes. */
  readonly footprint: Footprint;
  readonly #snapshot: Snapshot;
  #held = 0;
  #isRetired = false;

  constructor(parameters: ReadTree, gradients: ReadTree, stepped: readonly Stepped[], how: HowToStep) {
    this.prepared = prepare(stepped, how);
    this.#arrays = arraysOf(stepped);
    this.footprint = new Footprint(() => this.#arrays);
    this.isShared = stepped.every(({ parameter, gradient }) => isShared(parameter.data) && isShared(gradient.data));
    this.#snapshot = new Snapshot(parameters, gradients);
  }

  /** A pending step will use the plan. */
  hold(): void {
    this.#held++;
  }

  /** Such a step is over. */
  drop(): void {
    this.#held--;
    this.#releaseUnused();
  }

  /** No later step uses the plan: the addon lets go of it, once pending steps are over. */
  retire(): void {
    this.#isRetired = true;
    this.#releaseUnused();
  }

  #releaseUnused(): void {
    if (this.#isRetired && this.#held === 0) native().release(this.prepared);
  }

  /** True if the plan still holds for these two trees. Allocates nothing. */
  fits(parameters: unknown, gradients: unknown): boolean {
    return this.#snapshot.holdsFor(parameters, gradients);
  }
}

/** What a step of copies of these leaves reads and writes. */
export function footprintOfCopies(stepped: readonly Stepped[]): Footprint {
  return new Footprint(() => ({
    written: stepped.flatMap(({ slot }) => (slot.v ? [slot.v.data] : [])),
    read: stepped.flatMap(({ parameter, gradient }) => [parameter.data, gradient.data]),
  }));
}

function arraysOf(stepped: readonly Stepped[]): Arrays {
  return {
    written: stepped.flatMap(({ parameter, slot }) => [parameter.data, ...(slot.v ? [slot.v.data] : [])]),
    read: stepped.map(({ gradient }) => gradient.data),
  };
}

/**
 * The same leaves with the velocities that a step needs: made where they are missing, hidden where they are unused.
 * `uses` says by group whether steps use velocities.
 */
export function withVelocities(stepped: readonly Stepped[], uses: readonly boolean[]): readonly Stepped[] {
  makeVelocities(stepped.flatMap(({ slot, group }) => (uses[group] ? [slot] : [])));
  return stepped.map((one) => (uses[one.group] ? one : { ...one, slot: new Slot(one.slot.path, one.parameter) }));
}

/** Hands leaves to the addon, each with its place in an arena. */
export function prepare(stepped: readonly Stepped[], { target, settings }: HowToStep): PreparedTree {
  if (target === 'gpu') for (const { parameter } of stepped) checkForGpu(parameter);
  const { dtypes, targets } = constants();
  const places = new Places(stepped.length * 3);
  for (const { parameter, gradient, slot } of stepped)
    for (const leaf of [parameter, gradient, slot.v]) places.add(leaf);
  try {
    return native().prepareStep({
      parameters: stepped.map(({ parameter }) => parameter.data),
      gradients: stepped.map(({ gradient }) => gradient.data),
      velocities: stepped.map(({ slot }) => slot.v?.data ?? null),
      dtypes: Uint8Array.from(stepped, ({ parameter }) => dtypes.indexOf(parameter.dtype)),
      places: places.numbers,
      groups: Uint8Array.from(stepped, ({ group }) => group),
      settings: settings.rows,
      target: targets.indexOf(target),
      // Without a GPU nobody wraps arenas: their numbers alone join leaves.
      arenas: target === 'cpu' ? [] : places.arenas,
    });
  } catch (error) {
    throw asMetalError(error);
  }
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

/** The places of leaves, and the arenas they lie in, each once. */
class Places {
  /** Two for each leaf: the index of its arena, and its own in the arena; -1 for none. */
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
