// Models as users write them, for the type tests: interfaces, readonly and literal trees.
import type { Tensor } from 'metal-sgd';

export interface Dense {
  weight: Float32Array;
  bias: Float32Array;
}

export interface Network {
  hidden: Dense[];
  output: Dense;
  scale?: Float32Array;
}

export interface Frozen {
  readonly layers: readonly Readonly<Dense>[];
  readonly head: { readonly weight: Tensor<'bfloat16'> };
}

/** Refers to itself, as trees of layers do. */
export interface Block {
  weight: Float64Array;
  children: Block[];
}

export declare const network: Network;
export declare const frozen: Frozen;
export declare const block: Block;
export declare const vector: Float32Array;
export declare const doubles: Float64Array;
export declare const shaped: Tensor<'float32'>;
export declare const halves: Tensor<'float16'>;

/** As TypeScript's `esnext.float16` declares it, as far as a leaf goes; ES2022 has none. */
export interface RuntimeFloat16Array {
  readonly BYTES_PER_ELEMENT: number;
  readonly buffer: ArrayBufferLike;
  readonly byteLength: number;
  readonly byteOffset: number;
  readonly length: number;
  readonly [Symbol.toStringTag]: 'Float16Array';
  fill(value: number, start?: number, end?: number): this;
  [index: number]: number;
}
export declare const float16: RuntimeFloat16Array;
