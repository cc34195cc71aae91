// Random changes to a pair of trees between steps, and a copy of both that shares nothing with them.
import { detach } from './memory';

/** A branch or leaf of an untyped tree. */
type Any = Record<string, unknown>;

/** Parameters and gradients, as plain JavaScript would hold them. */
export interface Pair {
  parameters: Any;
  gradients: Any;
}

const filled = (length: number, value: number): Float32Array => new Float32Array(length).fill(value);
const tensor = (value: number): object => ({ data: filled(2, value), shape: [2], dtype: 'float32' });

/** Trees that fit each other. */
export function freshPair(): Pair {
  const tree = (value: number): Any => ({
    a: filled(3, value),
    b: { w: tensor(value), list: [filled(1, value), filled(2, value)] },
    c: filled(3, -value),
  });
  return { parameters: tree(1), gradients: tree(0.5) };
}

const isBranch = (value: unknown): value is Any =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !('data' in value);

/** Every place in a tree: a container and a key. */
function placesIn(tree: Any): [Any, string][] {
  return Object.entries(tree).flatMap(([key, value]): [Any, string][] => [
    [tree, key],
    ...(isBranch(value) ? placesIn(value) : []),
  ]);
}

function reorder(branch: Any): void {
  if (Array.isArray(branch)) return;
  const entries = Object.entries(branch).reverse();
  for (const [key] of entries) Reflect.deleteProperty(branch, key);
  Object.assign(branch, Object.fromEntries(entries));
}

const arrayAt = (value: unknown): Float32Array | undefined => {
  const data = isBranch(value)
    ? undefined
    : ArrayBuffer.isView(value)
      ? value
      : (value as { data?: unknown } | null)?.data;
  return data as Float32Array | undefined;
};

/** Changes at one place of a tree. `other` is another value of the same tree, for ties and exchanges. */
const CHANGES: Record<string, (branch: Any, key: string, other: unknown) => void> = {
  replace: (branch, key) => {
    branch[key] = isBranch(branch[key])
      ? { ...branch[key] }
      : filled(Math.max(1, arrayAt(branch[key])?.length ?? 1), 2);
  },
  lengthen: (branch, key) => {
    branch[key] = filled(4, 1);
  },
  remove: (branch, key) => {
    if (Array.isArray(branch)) branch.pop();
    else Reflect.deleteProperty(branch, key);
  },
  hole: (branch, key) => Reflect.deleteProperty(branch, key),
  spoil: (branch, key) => {
    branch[key] = null;
  },
  tie: (branch, key, other) => {
    branch[key] = other;
  },
  detach: (branch, key) => {
    const array = arrayAt(branch[key]);
    if (array) detach(array);
  },
  reshape: (branch, key) => {
    const value = branch[key] as { shape?: number[] } | null;
    if (!Array.isArray(value?.shape)) return;
    const axis = value.shape.length === 1 ? 1 : 2;
    if (Object.isFrozen(value.shape)) value.shape = [...value.shape, axis];
    else value.shape.push(axis);
  },
  rekind: (branch, key) => {
    const value = branch[key];
    if (isBranch(value))
      branch[key] = Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : Object.values(value);
  },
  reorder,
  exchange: (branch, key, other) => {
    const [found] = Object.entries(branch).find(([, value]) => value === other) ?? [key];
    [branch[key], branch[found]] = [branch[found], branch[key]];
  },
  rewrite: (branch, key) => {
    const array = arrayAt(branch[key]);
    if (array && array.length > 0) array.fill(3);
  },
};

export const CHANGE_NAMES = [...Object.keys(CHANGES), 'grow', 'nothing'];

/** One random change: which, in which tree, and where. */
export interface Change {
  readonly name: string;
  readonly tree: 'parameters' | 'gradients';
  readonly place: number;
  readonly other: number;
}

/** Makes the change. Most are of one tree alone, so that the next step may be an error. */
export function change(pair: Pair, { name, tree, place, other }: Change): void {
  if (name === 'grow') {
    for (const one of Object.values(pair) as Any[]) one[`late${String(place % 3)}`] ??= filled(2, 1);
  }
  const places = placesIn(pair[tree]);
  if (places.length === 0 || !(name in CHANGES)) return;
  const [branch, key] = places[place % places.length];
  const [otherBranch, otherKey] = places[other % places.length];
  const value = otherBranch[otherKey];
  CHANGES[name](branch, key, isBranch(value) ? branch[key] : value);
}

/** A copy that has the same structure and the same sharing of memory, in memory of its own. */
export function copyOfPair(pair: Pair): Pair {
  const buffers = new Map<ArrayBufferLike, ArrayBuffer>();
  const copy = (value: unknown): unknown => {
    if (ArrayBuffer.isView(value)) return copyOfView(value as Float32Array, buffers);
    if (Array.isArray(value))
      return Object.assign(
        Array(value.length),
        Object.fromEntries(Object.entries(value).map(([k, v]) => [k, copy(v)])),
      );
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copy(child)]));
  };
  return copy(pair) as Pair;
}

function copyOfView({ buffer, byteOffset, length }: Float32Array, buffers: Map<ArrayBufferLike, ArrayBuffer>): unknown {
  if (buffer.byteLength === 0) {
    const gone = filled(1, 0);
    detach(gone);
    return gone;
  }
  const copied = buffers.get(buffer) ?? (buffer as ArrayBuffer).slice(0);
  buffers.set(buffer, copied);
  return new Float32Array(copied, byteOffset, length);
}
