// An optimizer that already knows a tree.
import { SGD, type Tensor, zeros } from '../../lib/index';

/** The tree that it knows. */
export interface Known {
  a: Float32Array;
  t: Tensor<'float32'>;
  list: Float32Array[];
}

/** An optimizer with a velocity and a step behind it, and the trees that it knows. */
export function trained(): { optimizer: SGD; parameters: Known; gradients: Known } {
  const optimizer = new SGD(0.5, { momentum: 0.5 });
  const parameters = { a: new Float32Array([1, 2]), t: zeros([1, 2]), list: [new Float32Array([3])] };
  const gradients = { a: new Float32Array([1, 1]), t: zeros([1, 2]), list: [new Float32Array([1])] };
  optimizer.update(parameters, gradients);
  return { optimizer, parameters, gradients };
}
