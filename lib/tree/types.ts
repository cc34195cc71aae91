// Public types of leaves and trees. They need no library beyond ES2022.
import type { Dtype } from './dtype';

/** A `Float16Array`, typed structurally: projects need not declare it. */
export interface Float16ArrayLike {
  readonly [Symbol.toStringTag]: 'Float16Array';
  readonly BYTES_PER_ELEMENT: number;
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly length: number;
  [index: number]: number;
}

/** A file `URL`, typed structurally: projects need not declare it. */
export interface FileUrl {
  readonly href: string;
  readonly protocol: string;
  readonly pathname: string;
}

/** The typed array in which a `Tensor` of dtype `D` keeps its elements. */
export type DataOf<D extends Dtype> = D extends 'float32'
  ? Float32Array
  : D extends 'float64'
    ? Float64Array
    : D extends 'float16' | 'bfloat16'
      ? Uint16Array
      : never;

/**
 * An array with a shape: a plain object, so that it survives `postMessage`.
 * `data.length` is the product of `shape` (1 for the scalar shape `[]`).
 */
export interface Tensor<D extends Dtype = Dtype> {
  /** Elements in row-major order; 16-bit dtypes as words. */
  readonly data: DataOf<D>;
  /** Length of each axis. This package freezes the shapes it makes, so that steps need not compare them. */
  readonly shape: readonly number[];
  readonly dtype: D;
}

/** One parameter, gradient or velocity. A bare typed array has a length and a dtype but no shape. */
export type Leaf = Float32Array | Float64Array | Float16ArrayLike | Tensor;

/** Stands in the place of what is no leaf, so that the compiler's message says so. */
export interface NotALeaf {
  readonly 'metal-sgd: not a leaf': never;
}

/**
 * `P` where every leaf is a `Leaf`; `NotALeaf` for anything else. Accepts interfaces, `readonly`, literals. A member may be
 * `undefined`, as if it were not there; an item of an array may not.
 */
export type Tree<P> = P extends Leaf
  ? P
  : P extends (...args: never) => unknown
    ? NotALeaf
    : P extends readonly unknown[]
      ? { readonly [K in keyof P]: Tree<P[K]> }
      : P extends object
        ? { readonly [K in keyof P]: Tree<P[K]> | Extract<P[K], undefined> }
        : NotALeaf;

/** A leaf that can stand beside `L`: the same dtype, with or without a shape. */
export type LeafLike<L> = L extends Float32Array | Tensor<'float32'>
  ? Float32Array | Tensor<'float32'>
  : L extends Float64Array | Tensor<'float64'>
    ? Float64Array | Tensor<'float64'>
    : L extends Float16ArrayLike | Tensor<'float16'>
      ? Float16ArrayLike | Tensor<'float16'>
      : L extends Tensor
        ? Tensor<L['dtype']>
        : never;

/** A gradient of the parameter `L`: as it, or float32 for 16 bits. */
export type GradientLike<L> = L extends Float16ArrayLike | Tensor<'float16' | 'bfloat16'>
  ? LeafLike<L> | Float32Array | Tensor<'float32'>
  : LeafLike<L>;

/** The structure of `P`, any part of which may be missing: gradients for some of the parameters. */
export type DeepPartial<P> = P extends Leaf
  ? GradientLike<P>
  : P extends readonly (infer Item)[]
    ? number extends P['length']
      ? readonly DeepPartial<Item>[]
      : { readonly [K in keyof P]?: DeepPartial<P[K]> }
    : { readonly [K in keyof P]?: DeepPartial<P[K]> | undefined };

/** Numbers, nested as the shape of a leaf: `[[1, 2], [3, 4]]`; one number for a scalar. */
export type Numbers = number | readonly Numbers[];

/** What `assign` takes for `P`: its structure, any part of which may be missing, with leaves of any dtype. */
export type Assignable<P> = P extends Leaf
  ? Leaf | Numbers
  : P extends readonly (infer Item)[]
    ? number extends P['length']
      ? readonly Assignable<Item>[]
      : { readonly [K in keyof P]?: Assignable<P[K]> }
    : { readonly [K in keyof P]?: Assignable<P[K]> | undefined };

/** The structure of `P` with tensors of dtype `D` as its leaves. */
export type WithDtype<P, D extends Dtype> = P extends Leaf
  ? Tensor<D>
  : { -readonly [K in keyof P]: WithDtype<P[K], D> };

/** The whole structure of `P`: a gradient for every parameter. */
export type Gradients<P> = P extends Leaf ? GradientLike<P> : { readonly [K in keyof P]: Gradients<P[K]> };

/** What `update` takes for `P`: gradients for all of it, or for any part. In a generic function `P` itself will do. */
export type GradientsFor<P> = NoInfer<P> | Gradients<P> | DeepPartial<P>;

/** `T`, unless it is a promise. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/** The part of `P` that has gradients. */
export type PartialTree<P> = P extends Leaf
  ? P
  : P extends readonly (infer Item)[]
    ? number extends P['length']
      ? PartialTree<Item>[]
      : { [K in keyof P]?: PartialTree<P[K]> }
    : { [K in keyof P]?: PartialTree<P[K]> };

/** Shapes in the structure of a tree: `[784, 128]`, `10` or `{ weight: [784, 128], bias: [128] }`. */
export type Zeros<S, D extends Dtype = 'float32'> = S extends number | readonly number[]
  ? Tensor<D>
  : S extends object
    ? { -readonly [K in keyof S]: Zeros<S[K], D> }
    : never;

/** Marks averages for the compiler; no object has it. */
declare const AVERAGES: unique symbol;

/**
 * The averages of parameters, each in the place of its parameter; `{}` where there is none yet. `assign` takes them for any
 * tree: which leaves there are, only the optimizer knows.
 */
export type Averages = AverageTree & { readonly [AVERAGES]: true };

/** A tree of averages as any other tree. */
export type AverageTree = Leaf | AverageTree[] | { [key: string]: AverageTree };
