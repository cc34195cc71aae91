// The package's types, as an ES module sees them; runs too.
import { cosineDecay, MetalError, SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import type * as sgd from 'metal-sgd';

const parameters = zeros({ weight: [2, 3], bias: [3] });
const weight: Tensor<'float32'> = parameters.weight;
const gradients = zerosLike(parameters);
const optimizer: sgd.SGD = new SGD(cosineDecay(0.5, 100), { momentum: 0.9 });
gradients.weight.data.fill(-2);
optimizer.update(parameters, gradients);
if (weight.data[5] !== 1) throw new Error('wrong');
new MetalError('timeout', 'too late') satisfies sgd.MetalError;
export const refused = (): void => {
  // @ts-expect-error -- a typed array, not a number
  optimizer.update(parameters, { weight: 1 });
};
