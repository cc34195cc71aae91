// Leaves: how they are recognised, read and checked.
import { types } from 'node:util';
import { arrayName, type Dtype, DTYPES, holds, itemSize, type LeafData } from './dtype';
import { coded, rangeError, show, typeError, Verbatim } from '../errors';
import type { Reader } from './tree';

/** The layout of a leaf. */
export interface Layout {
  readonly dtype: Dtype;
  /** `undefined` for a bare typed array. */
  readonly shape: readonly number[] | undefined;
  /** Elements. */
  readonly length: number;
}

/** A leaf that has been read and checked. Nothing of the caller's is read again. */
export interface CheckedLeaf extends Layout {
  /** The object that stands in the tree. */
  readonly leaf: object;
  /** Its elements. A Float16Array stands for itself; the addon reads it as words. */
  readonly data: LeafData;
  /** True if `shape` is the caller's own array, which can't change. */
  readonly hasConstantShape: boolean;
  /** For messages: 'parameters.layers.0.weight'. */
  readonly name: string;
}

const isFloat16Array = (types as { isFloat16Array?: (value: unknown) => boolean }).isFloat16Array ?? (() => false);

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

type Getter = (this: unknown) => unknown;

function getterOf(property: string): Getter {
  return Reflect.get(Object.getOwnPropertyDescriptor(typedArrayPrototype, property) ?? {}, 'get') as Getter;
}

const lengthGetter = getterOf('length');
const bufferGetter = getterOf('buffer');
const offsetGetter = getterOf('byteOffset');
const byteLengthGetter = getterOf('byteLength');
const at = Reflect.get(typedArrayPrototype, 'at') as (this: unknown, index: number) => unknown;

/** The true `array.length`, even if the object overrides it; 0 when it is detached or out of bounds. */
export function lengthOf(array: LeafData): number {
  return lengthGetter.call(array) as number;
}

/** The true `array.buffer`, even if the object overrides it. */
export function bufferOf(array: LeafData): ArrayBufferLike {
  return bufferGetter.call(array) as ArrayBufferLike;
}

/** The true `array.byteOffset`, even if the object overrides it. */
export function offsetOf(array: LeafData): number {
  return offsetGetter.call(array) as number;
}

/** The true `array.byteLength`, even if the object overrides it. */
export function byteLengthOfData(array: LeafData): number {
  return byteLengthGetter.call(array) as number;
}

/** True if the memory of `array` is gone: transferred away, or its buffer shrunk below it. */
export function isDetached(array: LeafData): boolean {
  try {
    at.call(array, Infinity); // checks the buffer, and reads nothing: a step in flight may own the elements
    return false;
  } catch {
    return true;
  }
}

/** True if `array` lies in shared memory, which can't be detached. */
export function isShared(array: LeafData): boolean {
  return types.isSharedArrayBuffer(bufferOf(array));
}

/** The dtype of a bare typed array that can be a leaf. */
function bareDtype(value: unknown): Dtype | undefined {
  if (types.isFloat32Array(value)) return 'float32';
  if (types.isFloat64Array(value)) return 'float64';
  return isFloat16Array(value) ? 'float16' : undefined;
}

/** True if `value` is meant as a leaf, valid or not, rather than as a branch. */
export function looksLikeLeaf(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (ArrayBuffer.isView(value)) return true;
  if (!Object.hasOwn(value, 'data')) return false;
  const { data, shape, dtype } = value as { data: unknown; shape: unknown; dtype: unknown };
  if (Object.hasOwn(value, 'dtype')) return typeof dtype === 'string';
  // Without a dtype: two leaves can be called data and shape, but numbers are no leaf.
  return ArrayBuffer.isView(data) && Array.isArray(shape) && shape.every((axis) => typeof axis === 'number');
}

const LEAF = new Verbatim('a Float32Array, a Float64Array, a Float16Array or a Tensor { data, shape, dtype }');

const BARE_WORDS = new Verbatim("a bare Uint16Array; 16-bit data needs { data, shape, dtype: 'bfloat16' | 'float16' }");

/** The error for a value that is neither a leaf nor a branch. */
export function notALeaf(value: unknown, name: string): Error {
  if (typeof value === 'object' && value !== null && !types.isProxy(value) && 'data' in value && 'dtype' in value) {
    const text = `${show(value)} whose data or dtype is no property of its own; pass { data, shape, dtype }`;
    return typeError('invalid-leaf', name, LEAF.text, new Verbatim(text));
  }
  const received =
    typeof value === 'number'
      ? new Verbatim(`the number ${String(value)}; make arrays of numbers leaves by Float32Array.from`)
      : value;
  return typeError('invalid-leaf', name, `${LEAF.text}, or a plain object or array of them`, received);
}

/** Reads and checks one leaf; `name` is its path for messages. */
export function checkLeaf(leaf: object, name: string): CheckedLeaf {
  if (ArrayBuffer.isView(leaf)) {
    const dtype = bareDtype(leaf);
    if (!dtype) throw typeError('invalid-leaf', name, LEAF.text, types.isUint16Array(leaf) ? BARE_WORDS : leaf);
    return finish(leaf, leaf as LeafData, dtype, undefined, name, false);
  }
  const { data, shape, dtype } = leaf as { data: unknown; shape: unknown; dtype: unknown };
  const known = DTYPES.find((one) => one === dtype);
  if (!known) throw typeError('invalid-leaf', `${name}.dtype`, DTYPES.join(', '), dtype);
  if (!holds(known, data)) {
    throw typeError('invalid-leaf', `${name}.data`, `${arrayName(known)} for dtype ${known}`, data);
  }
  const isFixed = isConstant(shape);
  const axes = checkShape(shape, `${name}.shape`);
  return finish(leaf, data, known, isFixed ? (shape as readonly number[]) : axes, name, isFixed);
}

function finish(
  leaf: object,
  data: LeafData,
  dtype: Dtype,
  shape: readonly number[] | undefined,
  name: string,
  hasConstantShape: boolean,
): CheckedLeaf {
  if (isDetached(data)) throw detached(name);
  const length = lengthOf(data);
  if (shape && sizeOf(shape) !== length) {
    throw rangeError(
      'invalid-shape',
      `${name}.data`,
      `${String(sizeOf(shape))} elements for shape ${showShape(shape)}`,
      length,
    );
  }
  return { leaf, data, dtype, shape, length, hasConstantShape, name };
}

function detached(name: string): Error {
  return coded(TypeError, 'detached', `${name}: its buffer was detached (transferred?) or shrunk`);
}

/** Throws if the memory of `leaf` is gone: a getter that ran since the leaf was read can have taken it away. */
export function checkStillThere(leaf: CheckedLeaf): void {
  if (!isStillThere(leaf)) throw detached(leaf.name);
}

/** True if the memory is as it was read. Runs none of the caller's code. */
export function isStillThere({ data, length }: { readonly data: LeafData; readonly length: number }): boolean {
  // An empty array has length 0 with and without its buffer.
  return lengthOf(data) === length && (length > 0 || !isDetached(data));
}

/** True for a frozen array of values, such as the shapes that this package makes. A proxy may answer otherwise later. */
function isConstant(shape: unknown): boolean {
  if (types.isProxy(shape) || !Array.isArray(shape) || !Object.isFrozen(shape)) return false;
  return shape.every((_, i) => Object.getOwnPropertyDescriptor(shape, i)?.get === undefined);
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, axis) => size * axis, 1);
}

/** A checked copy of `shape`: whole numbers from 0, with a product below 2^53. */
export function checkShape(shape: unknown, name: string): readonly number[] {
  const expected = 'an array of whole numbers from 0';
  if (!Array.isArray(shape)) throw typeError('invalid-shape', name, expected, shape);
  const copy = Array.from(shape as unknown[]);
  for (const axis of copy) {
    if (typeof axis !== 'number' || !Number.isSafeInteger(axis) || axis < 0) {
      throw rangeError('invalid-shape', name, expected, new Verbatim(`[${copy.map(show).join(', ')}]`));
    }
  }
  const axes = copy as number[];
  if (!Number.isSafeInteger(sizeOf(axes)))
    throw rangeError('invalid-shape', name, 'less than 2^53 elements', sizeOf(axes));
  return axes;
}

/** A shape as messages show it: '[2, 3]'. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** True if two shapes have the same axes. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, i) => axis === b[i]);
}

/** Bytes of a leaf's elements. */
export function byteLengthOf(leaf: CheckedLeaf): number {
  return leaf.length * itemSize(leaf.dtype);
}

/** Node 20 has no byte array of 4 GiB. */
const PART_BYTES = 2 ** 30;

/** The memory of a leaf as bytes, in order. */
export function bytesOf(leaf: CheckedLeaf): Uint8Array[] {
  const bytes = byteLengthOf(leaf);
  const [buffer, offset] = [bufferOf(leaf.data), offsetOf(leaf.data)];
  return Array.from({ length: Math.ceil(bytes / PART_BYTES) }, (_, i) => {
    const start = i * PART_BYTES;
    return new Uint8Array(buffer, offset + start, Math.min(PART_BYTES, bytes - start));
  });
}

/** Reads trees of leaves. */
export const leafReader: Reader<CheckedLeaf> = {
  isLeaf: looksLikeLeaf,
  read: (value, name) => checkLeaf(value as object, name),
  refuse: notALeaf,
};
