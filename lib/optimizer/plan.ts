// A plan: two trees that were checked, paired and handed to the addon once. It serves as long as the same arrays come back.
import { arenaOf, leafIndex } from '../memory/arena';
import { DTYPES } from '../tree/dtype';
import { asMetalError, typeError, Verbatim } from '../errors';
import { bufferOf, byteLengthOf, type CheckedLeaf, isShared, offsetOf } from '../tree/leaf';
import { type ArenaPages, native, type PreparedTree, TARGETS } from '../addon/native';
import type { Runner } from './runner';
import { type ReadTree, Snapshot } from './snapshot';
import { makeVelocities, Slot } from '../state/slots';

/** A parameter, its gradient, and the slot of its velocity. */
export interface Stepped {
  readonly parameter: CheckedLeaf;
  readonly gradient: CheckedLeaf;
  readonly slot: Slot;
}

/** Keeps alive every array that its prepared tree points into. */
export class Plan {
  readonly prepared: PreparedTree;
  readonly stepped: readonly Stepped[];
  /** True if all arrays lie in shared memory, which nobody can detach. */
  readonly isShared: boolean;
  readonly #snapshot: Snapshot;
  #held = 0;
  #isRetired = false;

  constructor(parameters: ReadTree, gradients: ReadTree, stepped: readonly Stepped[], runner: Runner) {
    this.prepared = prepare(stepped, runner);
    this.stepped = stepped;
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

/** The same leaves with the velocities that a step needs: made where they are missing, hidden where they are unused. */
export function withVelocities(stepped: readonly Stepped[], usesVelocity: boolean): readonly Stepped[] {
  if (!usesVelocity) return stepped.map((one) => ({ ...one, slot: new Slot(one.slot.path, one.parameter) }));
  makeVelocities(stepped.map(({ slot }) => slot));
  return stepped;
}

/** Hands leaves to the addon, with what it can't know: where a gap between two is only padding, and what is an arena. */
export function prepare(stepped: readonly Stepped[], { target, settings }: Runner): PreparedTree {
  if (target === 'gpu') for (const { parameter } of stepped) checkForGpu(parameter);
  const joined = Uint8Array.from(stepped, (leaf, i) => Number(i > 0 && follows(stepped[i - 1], leaf)));
  const arenas = new ArenaList(target === 'cpu');
  const places = stepped.flatMap(({ parameter, gradient, slot }) =>
    [parameter, gradient, slot.v].map((leaf) => arenas.indexOf(leaf)),
  );
  try {
    return native().prepareStep(
      stepped.map(({ parameter }) => parameter.data),
      stepped.map(({ gradient }) => gradient.data),
      stepped.map(({ slot }) => slot.v?.data ?? null),
      Uint8Array.from(stepped, ({ parameter }) => DTYPES.indexOf(parameter.dtype)),
      joined,
      settings,
      TARGETS.indexOf(target),
      arenas.list,
      Int32Array.from(places),
    );
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

/** The arenas that leaves lie in whole, each once. */
class ArenaList {
  readonly list: ArenaPages[] = [];
  readonly #indices = new Map<bigint, number>();
  readonly #unused: boolean;

  /** `unused`: no GPU will ask, so that every leaf counts as ordinary memory. */
  constructor(unused: boolean) {
    this.#unused = unused;
  }

  indexOf(leaf: CheckedLeaf | undefined): number {
    const arena = leaf && !this.#unused ? arenaOf(bufferOf(leaf.data)) : undefined;
    if (!leaf || !arena) return -1;
    const start = offsetOf(leaf.data) - arena.pages.byteOffset;
    if (start < 0 || start + byteLengthOf(leaf) > arena.pages.byteLength) return -1;
    const known = this.#indices.get(arena.id);
    if (known !== undefined) return known;
    this.#indices.set(arena.id, this.list.length);
    return this.list.push({ id: arena.id, pages: arena.pages }) - 1;
  }
}

/** True if only padding of arenas lies between two leaves, in parameters, gradients and velocities alike. */
function follows(one: Stepped, next: Stepped): boolean {
  const { v } = one.slot;
  const nextV = next.slot.v;
  const velocities = v && nextV ? isNextLeaf(v, nextV) : v === nextV;
  return velocities && isNextLeaf(one.parameter, next.parameter) && isNextLeaf(one.gradient, next.gradient);
}

function isNextLeaf(one: CheckedLeaf, next: CheckedLeaf): boolean {
  const buffer = bufferOf(one.data);
  const arena = buffer === bufferOf(next.data) ? arenaOf(buffer) : undefined;
  if (!arena) return false;
  const index = leafIndex(arena, offsetOf(one.data), byteLengthOf(one));
  return index >= 0 && index + 1 === leafIndex(arena, offsetOf(next.data), byteLengthOf(next));
}
