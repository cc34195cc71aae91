// Where the elements of TensorFlow.js's tensors lie for a step.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import type { Tensor } from '../index';
import { tf } from './peer';

/** What TensorFlow.js trains. */
export type Floats = Tensor<'float32'>;

/** Leaves of variables and gradients on one backend. */
export interface Place {
  /** Bytes that were copied since `begin`. */
  readonly copiedBytes: number;
  /** A step of these begins. Where another tensor, such as a clone, has a variable's elements, the variable gets others. */
  begin(pairs: readonly (readonly [Variable, TfTensor])[]): void;
  /** The leaf of a variable, with its present elements. */
  leafOf(variable: Variable): Floats;
  /** The elements of a gradient of the variable of this name. */
  gradientOf(gradient: TfTensor, name: string): Floats;
  /** The step has written the leaf. */
  wrote(variable: Variable): void;
}

/** True if another tensor has the same elements. */
export const isSharedWithOthers = ({ dataId }: Variable): boolean => tf.engine().backend.refCount(dataId) > 1;

/** Gives a variable elements, which the backend `cpu` keeps where they are and others copy. */
export function give(variable: Variable, data: Float32Array): void {
  tf.tidy(() => {
    variable.assign(tf.tensor(data, variable.shape));
  });
}
