// A plan: two trees checked, paired and handed to the addon once, for as long as the same arrays come back.
import { arenaOf, leafIndex } from './arena';
import { DTYPES } from './dtype';
import { bufferOf, byteLengthOf, type CheckedLeaf, isShared, offsetOf } from './leaf';
import { native, type PreparedTree } from './native';
import { Snapshot } from './snapshot';
import type { Node } from './tree';
import type { Slot } from './velocities';

/** A parameter that a gradient steps, and where its velocity is kept. */
export interface Stepped {
  readonly parameter: CheckedLeaf;
  readonly gradient: CheckedLeaf;
  readonly slot: Slot;
}

/** A tree as the caller gave it, and as it was read. */
export interface ReadTree {
  readonly given: unknown;
  readonly node: Node<CheckedLeaf>;
}

/** Keeps alive every array that its prepared tree points into. */
export class Plan {
  readonly prepared: PreparedTree;
  readonly stepped: readonly Stepped[];
  /** True if no array of it can be taken away. */
  readonly isShared: boolean;
  readonly #parameters: Snapshot;
  readonly #gradients: Snapshot;

  constructor(parameters: ReadTree, gradients: ReadTree, stepped: readonly Stepped[], settings: Float64Array) {
    this.prepared = prepare(stepped, settings);
    this.stepped = stepped;
    this.isShared = stepped.every(({ parameter, gradient }) => isShared(parameter.data) && isShared(gradient.data));
    this.#parameters = new Snapshot(parameters.given, parameters.node);
    this.#gradients = new Snapshot(gradients.given, gradients.node);
  }

  /** True if the plan still holds for these two trees. Allocates nothing. */
  fits(parameters: unknown, gradients: unknown): boolean {
    return (
      this.#parameters.sameTree(parameters) &&
      this.#gradients.sameTree(gradients) &&
      // Last, since the getters of a tree could take memory away.
      this.#parameters.sameMemory() &&
      this.#gradients.sameMemory()
    );
  }
}

/** Hands leaves to the addon, with what it can't know: where a gap between two is only padding. */
export function prepare(stepped: readonly Stepped[], settings: Float64Array): PreparedTree {
  const joined = Uint8Array.from(stepped, (leaf, i) => Number(i > 0 && follows(stepped[i - 1], leaf)));
  return native().prepareStep(
    stepped.map(({ parameter }) => parameter.data),
    stepped.map(({ gradient }) => gradient.data),
    stepped.map(({ slot }) => slot.v?.data ?? null),
    Uint8Array.from(stepped, ({ parameter }) => DTYPES.indexOf(parameter.dtype)),
    joined,
    settings,
  );
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
