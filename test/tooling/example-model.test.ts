// The example's network: its backward pass against finite differences of its forward pass, in double.
import { type Layer, crossEntropy, initialise, Perceptron, shapesFor, type Parameters } from '../../examples/model';
import { createRandom, normal, permutation } from '../../examples/random';
import { warmupThenCosine } from '../../examples/training';
import { zeros, zerosLike } from '../../lib/index';

const SIZES = [7, 6, 5, 4];
const LABEL = 2;

function network(): { parameters: Parameters<'float64'>; image: Float64Array } {
  const random = createRandom(3, 1);
  const parameters = zeros(shapesFor(SIZES), 'float64');
  initialise(parameters, random);
  // Biases away from 0, so that their part of the forward pass shows too.
  for (const { bias } of parameters.layers) bias.data.forEach((_, i) => (bias.data[i] = 0.1 * normal(random)));
  return { parameters, image: Float64Array.from({ length: SIZES[0] }, () => random()) };
}

/** Derivative of the loss by one element, from the loss a little above and below. */
function slope(parameters: Parameters<'float64'>, data: Float64Array, i: number, image: Float64Array): number {
  const step = 1e-5;
  const value = data[i];
  const lossAt = (changed: number): number => {
    data[i] = changed;
    return crossEntropy(new Perceptron(parameters).forward(image), LABEL);
  };
  const difference = lossAt(value + step) - lossAt(value - step);
  data[i] = value;
  return difference / (2 * step);
}

function dataOf({ layers }: Parameters<'float64'>): Float64Array[] {
  return layers.flatMap(({ weight, bias }: Layer<'float64'>) => [weight.data, bias.data]);
}

test('every gradient is the slope of the loss', () => {
  const { parameters, image } = network();
  const gradients = zerosLike(parameters);
  const loss = new Perceptron(parameters).backward(image, LABEL, gradients, 1);
  expect(loss).toBe(crossEntropy(new Perceptron(parameters).forward(image), LABEL));
  let largest = 0;
  dataOf(parameters).forEach((data, leaf) => {
    const leafGradients = dataOf(gradients)[leaf];
    data.forEach((_, i) => {
      largest = Math.max(largest, Math.abs(leafGradients[i]));
      expect(leafGradients[i]).toBeCloseTo(slope(parameters, data, i, image), 8);
    });
  });
  expect(largest).toBeGreaterThan(0.1);
});

test('gradients add up over images, each with its scale', () => {
  const { parameters, image } = network();
  const model = new Perceptron(parameters);
  const [once, thrice] = [zerosLike(parameters), zerosLike(parameters)];
  model.backward(image, LABEL, once, 1);
  model.backward(image, LABEL, thrice, 2);
  model.backward(image, LABEL, thrice, 1);
  dataOf(once).forEach((data, leaf) => {
    data.forEach((value, i) => {
      expect(dataOf(thrice)[leaf][i]).toBeCloseTo(3 * value, 12);
    });
  });
});

test('the initial weights have the variance 2 / inputs, and other seeds and streams give others', () => {
  const parameters = zeros(shapesFor([100, 200]));
  initialise(parameters, createRandom(1, 1));
  const [{ weight, bias }] = parameters.layers;
  const variance = weight.data.reduce((sum, value) => sum + value * value, 0) / weight.data.length;
  expect(variance).toBeGreaterThan(0.019);
  expect(variance).toBeLessThan(0.021);
  expect(bias.data.every((value) => value === 0)).toBe(true);
  const firsts = [createRandom(1, 1), createRandom(1, 2), createRandom(2, 1)].map((random) => random());
  expect(new Set(firsts).size).toBe(3);
});

test('a permutation has every number once, in another order', () => {
  const order = permutation(100, createRandom(5, 0));
  expect([...order]).not.toEqual([...order].sort((a, b) => a - b));
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test('the learning rate warms up in a line, peaks where the decay begins, and ends at 0', () => {
  const schedule = warmupThenCosine(0.1, 10, 110);
  expect(schedule(0)).toBeCloseTo(0.01, 12);
  expect(schedule(9)).toBeLessThan(0.1);
  expect(schedule(10)).toBe(0.1);
  expect(schedule(60)).toBeCloseTo(0.05, 12);
  expect(schedule(110)).toBeCloseTo(0, 12);
  expect(warmupThenCosine(0.1, 0, 100)(0)).toBe(0.1);
});
