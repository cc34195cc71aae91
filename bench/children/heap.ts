// Bytes that steps of one tree allocate on the JavaScript heap. Run with a young generation that nothing fills, so that
// nothing is collected meanwhile.
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';
import { modelNamed } from '../models';

interface Given {
  readonly model: string;
  readonly warmUp: number;
  readonly steps: number;
  readonly windows: number;
}

const { model, warmUp, steps, windows } = given() as Given;
const parameters = zeros(modelNamed(model)?.shapes ?? []);
const gradients = zerosLike(parameters);
const optimizer = new SGD(0.1, { momentum: 0.9, weightDecay: 1e-4, device: 'cpu' });
const used = new Float64Array(windows + 1);
for (let i = 0; i < warmUp; i++) optimizer.update(parameters, gradients); // all code is compiled then
for (let i = 0; i < 3; i++) process.memoryUsage();
for (let window = 0; window <= windows; window++) {
  used[window] = process.memoryUsage().heapUsed;
  for (let i = 0; i < steps; i++) optimizer.update(parameters, gradients);
}
answer(Array.from(used.subarray(1), (bytes, i) => bytes - used[i]));
