// The package's types, as CommonJS sees them; runs too.
import { SGD, type SGDOptions, zeros, zerosLike } from 'metal-sgd';

const options: SGDOptions = { weightDecay: 0.5, device: 'cpu' };
const parameters = zeros([4]);
const gradients = zerosLike(parameters);
gradients.data.fill(-2);
new SGD(0.5, options).update(parameters, gradients);
if (parameters.data[3] !== 1) throw new Error(`wrong: ${String(parameters.data[3])}`);
// @ts-expect-error -- no such option
const wrong: SGDOptions = { moment: 0.9 };
export { wrong };
