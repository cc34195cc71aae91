// The network: a multilayer perceptron with ReLU, its forward and its backward pass, one image at a time. Plain loops
// over the leaves that the optimizer steps; activations are kept in double.
import type { Dtype, Tensor } from 'metal-sgd';
import { normal, type Random } from './random';

/** The network computes from float32; in float64 the gradients can be checked against finite differences. */
export type Real = 'float32' | 'float64';

/** What the parameters can be stored as. The network reads a float32 copy of 16-bit ones. */
export const DTYPES = ['float32', 'float16', 'bfloat16'] as const;
export type ParameterDtype = (typeof DTYPES)[number];

/** Outputs are `weight . inputs + bias`; `weight` has one row per output. */
export interface Layer<D extends Dtype = 'float32'> {
  readonly weight: Tensor<D>;
  readonly bias: Tensor<D>;
}

/** What is trained, as a tree that the optimizer takes. */
export interface Parameters<D extends Dtype = 'float32'> {
  readonly layers: readonly Layer<D>[];
}

/** The shapes of the parameters of a network, for `zeros`: sizes `[64, 10]` make one layer of 10 outputs. */
export function shapesFor(sizes: readonly number[]): { layers: { weight: [number, number]; bias: [number] }[] } {
  return { layers: sizes.slice(1).map((outputs, i) => ({ weight: [outputs, sizes[i]], bias: [outputs] })) };
}

/** He's initialisation: weights of variance 2 / inputs keep the scale of activations through ReLU; biases stay 0. */
export function initialise({ layers }: Parameters<Real>, random: Random): void {
  for (const { weight } of layers) {
    const [, inputs] = weight.shape;
    const deviation = Math.sqrt(2 / inputs);
    for (let i = 0; i < weight.data.length; i++) weight.data[i] = deviation * normal(random);
  }
}

/** Holds activations between a forward and a backward pass; knows the parameters, but never writes them. */
export class Perceptron {
  readonly #layers: readonly Layer<Real>[];
  /** Inputs of each layer, then the logits. */
  readonly #activations: Float64Array[];
  /** Derivatives of the loss by the same. */
  readonly #deltas: Float64Array[];

  constructor({ layers }: Parameters<Real>) {
    this.#layers = layers;
    const sizes = [layers[0].weight.shape[1], ...layers.map(({ bias }) => bias.data.length)];
    this.#activations = sizes.map((size) => new Float64Array(size));
    this.#deltas = sizes.map((size) => new Float64Array(size));
  }

  /** The logits for an image: valid until the next call. */
  forward(image: Float64Array): Float64Array {
    this.#activations[0].set(image);
    this.#layers.forEach((layer, i) => {
      const outputs = this.#activations[i + 1];
      linear(layer, this.#activations[i], outputs);
      if (i < this.#layers.length - 1) relu(outputs);
    });
    return this.#activations[this.#layers.length];
  }

  /** Softmax cross-entropy of an image; adds `scale` times its gradients to `gradients`. */
  backward(image: Float64Array, label: number, { layers }: Parameters<Real>, scale: number): number {
    const logits = this.forward(image);
    const last = this.#layers.length;
    const loss = crossEntropy(logits, label, scale, this.#deltas[last]);
    for (let i = last - 1; i >= 0; i--) {
      const inputs = this.#activations[i];
      addGradients(layers[i], inputs, this.#deltas[i + 1]);
      if (i > 0) backpropagate(this.#layers[i], this.#deltas[i + 1], inputs, this.#deltas[i]);
    }
    return loss;
  }
}

/** Cross-entropy of the softmax of `logits`; writes `scale` times its derivatives by them, where asked. */
export function crossEntropy(logits: Float64Array, label: number, scale = 1, derivatives?: Float64Array): number {
  const largest = Math.max(...logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  if (derivatives) {
    for (let i = 0; i < logits.length; i++) {
      const probability = Math.exp(logits[i] - largest) / sum;
      derivatives[i] = scale * (probability - Number(i === label));
    }
  }
  return Math.log(sum) + largest - logits[label];
}

function linear({ weight, bias }: Layer<Real>, inputs: Float64Array, outputs: Float64Array): void {
  const weights = weight.data;
  for (let o = 0, w = 0; o < outputs.length; o++) {
    let sum = bias.data[o];
    for (let i = 0; i < inputs.length; i++, w++) sum += weights[w] * inputs[i];
    outputs[o] = sum;
  }
}

function relu(values: Float64Array): void {
  for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] = 0;
}

/** d loss / d weight = delta (x) inputs; d loss / d bias = delta. */
function addGradients({ weight, bias }: Layer<Real>, inputs: Float64Array, deltas: Float64Array): void {
  for (let o = 0; o < deltas.length; o++) {
    const delta = deltas[o];
    if (delta === 0) continue; // half of them, behind ReLU
    bias.data[o] += delta;
    const gradients = weight.data;
    const row = o * inputs.length;
    for (let i = 0; i < inputs.length; i++) gradients[row + i] += delta * inputs[i];
  }
}

/** Derivatives by the inputs of a layer; 0 where ReLU cut an input off. */
function backpropagate({ weight }: Layer<Real>, deltas: Float64Array, inputs: Float64Array, into: Float64Array): void {
  into.fill(0);
  const weights = weight.data;
  for (let o = 0; o < deltas.length; o++) {
    const delta = deltas[o];
    if (delta === 0) continue;
    const row = o * inputs.length;
    for (let i = 0; i < inputs.length; i++) into[i] += weights[row + i] * delta;
  }
  for (let i = 0; i < into.length; i++) if (inputs[i] === 0) into[i] = 0;
}
