// Trains a network of one hidden layer on handwritten digits: `node examples/digits.mjs`, in a clone that is built.
import { readFileSync } from 'node:fs';
import { cosineDecay, SGD, zeros, zerosLike } from 'metal-sgd';

const [PIXELS, HIDDEN, CLASSES] = [64, 100, 10];
const [EPOCHS, BATCH] = [15, 16];

// Random numbers that are the same in each run (mulberry32, by Tommy Ettinger).
let seed = 1;
function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
  return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
}

function shuffle(items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

// One digit a line: 64 pixels from 0 to 16, then the class. A fifth is kept for the test.
const lines = readFileSync(new URL('data/digits.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1);
const digits = lines.map((line) => {
  const values = line.split(',').map(Number);
  return { image: values.slice(0, PIXELS).map((pixel) => pixel / 16), label: values[PIXELS] };
});
const test = shuffle(digits).splice(0, Math.floor(digits.length / 5));

// Parameters in shared memory. `zeros` is no initialisation: weights get random numbers (He), biases stay 0.
const parameters = zeros({
  hidden: { weight: [HIDDEN, PIXELS], bias: [HIDDEN] },
  output: { weight: [CLASSES, HIDDEN], bias: [CLASSES] },
});
for (const { weight } of [parameters.hidden, parameters.output]) {
  const scale = Math.sqrt(6 / weight.shape[1]);
  weight.data.forEach((_, i, data) => (data[i] = scale * (2 * random() - 1)));
}
const gradients = zerosLike(parameters);

const steps = EPOCHS * Math.ceil(digits.length / BATCH);
const optimizer = new SGD(cosineDecay(0.1, steps), { momentum: 0.9, nesterov: true, weightDecay: 1e-3 });

/** Outputs of a layer: weight · inputs + bias. `weight` has one row for each output. */
function linear({ weight, bias }, inputs) {
  return Array.from(bias.data, (sum, row) => {
    for (let i = 0; i < inputs.length; i++) sum += weight.data[row * inputs.length + i] * inputs[i];
    return sum;
  });
}

function forward(image) {
  const hidden = linear(parameters.hidden, image).map((value) => Math.max(0, value));
  const logits = linear(parameters.output, hidden);
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power);
  return { hidden, probabilities: powers.map((power) => power / total) };
}

/** Adds a layer's gradients, given those of its outputs; returns those of its inputs. */
function backward({ weight }, gradient, inputs, deltas) {
  const above = inputs.map(() => 0);
  deltas.forEach((delta, row) => {
    gradient.bias.data[row] += delta;
    for (let i = 0; i < inputs.length; i++) {
      gradient.weight.data[row * inputs.length + i] += delta * inputs[i];
      above[i] += delta * weight.data[row * inputs.length + i];
    }
  });
  return above;
}

/** The gradients of the mean cross-entropy of a batch. */
function computeGradients(batch) {
  for (const { weight, bias } of Object.values(gradients)) {
    weight.data.fill(0);
    bias.data.fill(0);
  }
  for (const { image, label } of batch) {
    const { hidden, probabilities } = forward(image);
    const deltas = probabilities.map((p, i) => (p - (i === label ? 1 : 0)) / batch.length);
    const above = backward(parameters.output, gradients.output, hidden, deltas);
    const behindRelu = above.map((delta, i) => (hidden[i] > 0 ? delta : 0));
    backward(parameters.hidden, gradients.hidden, image, behindRelu);
  }
}

function accuracy() {
  const right = test.filter(({ image, label }) => {
    const { probabilities } = forward(image);
    return probabilities[label] === Math.max(...probabilities);
  });
  return right.length / test.length;
}

for (let epoch = 1; epoch <= EPOCHS; epoch++) {
  shuffle(digits);
  for (let start = 0; start < digits.length; start += BATCH) {
    computeGradients(digits.slice(start, start + BATCH));
    optimizer.update(parameters, gradients);
  }
  if (epoch % 5 === 0) console.log(`epoch ${epoch}: ${(100 * accuracy()).toFixed(2)} %`);
}
console.log(
  `test accuracy: ${(100 * accuracy()).toFixed(2)} % after ${optimizer.step} steps on the ${optimizer.lastRun.device}`,
);
