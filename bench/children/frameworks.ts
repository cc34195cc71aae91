// Training steps by TensorFlow.js, with its own momentum optimizer and with metal-sgd's, in turn.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // brings the gradients of operations
import { sgd } from 'metal-sgd/tensorflow';
import { answer, given } from '../child';
import { modelNamed } from '../models';

export const TRAINED = ['perceptron', 'CNN', 'resnet50'] as const;

export interface FrameworksGiven {
  readonly backend: 'cpu' | 'wasm';
  /** `resnet50` is its parameters alone: gradients are given, and the optimizer's part is all there is. */
  readonly trained: (typeof TRAINED)[number];
  readonly rounds: number;
  /** Milliseconds of both until compilers have seen enough. */
  readonly warmUp: number;
}

/** Milliseconds in each round. */
export interface Taken {
  readonly whole: number[];
  readonly optimizer: number[];
}

export interface FrameworksFound {
  readonly own: Taken;
  readonly ours: Taken;
  /** Bytes that our step copied. */
  readonly copied: number;
}

const RATE = 0.01;
const MOMENTUM = 0.9;
const BATCH = 32;
/** Three steps by both differ by so much at most: TensorFlow.js rounds otherwise. */
const SLACK = 1e-5;

/** Variables, and what computes their gradients. */
interface Training {
  readonly variables: readonly tf.Variable[];
  readonly gradients: () => tf.NamedTensorMap;
}

type Loss = (weights: readonly tf.Tensor[]) => tf.Scalar;

const SHAPES: Readonly<Record<FrameworksGiven['trained'], readonly (readonly number[])[]>> = {
  perceptron: modelNamed('mlp')?.shapes ?? [],
  CNN: [[3, 3, 1, 16], [16], [576, 10], [10]],
  resnet50: modelNamed('resnet50')?.shapes ?? [],
};

const random = (shape: readonly number[], seed: number): tf.Tensor =>
  tf.randomNormal([...shape], 0, 0.05, 'float32', 1 + seed); // a seed of 0 is none

function lossOf(trained: 'perceptron' | 'CNN'): Loss {
  const labels = tf.oneHot(
    tf.tensor1d(
      Array.from({ length: BATCH }, (_, i) => i % 10),
      'int32',
    ),
    10,
  );
  const input = random(trained === 'CNN' ? [BATCH, 8, 8, 1] : [BATCH, 784], 99);
  return ([kernel, bias, last, lastBias]) => {
    const first =
      trained === 'CNN' ? tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'valid') : tf.matMul(input, kernel);
    const hidden = tf.reshape(tf.relu(tf.add(first, bias)), [BATCH, -1]);
    return tf.losses.softmaxCrossEntropy(labels, tf.add(tf.matMul(hidden, last), lastBias));
  };
}

function trainingOf(trained: FrameworksGiven['trained'], name: string): Training {
  const variables = SHAPES[trained].map((shape, i) => tf.variable(random(shape, i), true, `${name}${String(i)}`));
  if (trained === 'resnet50') {
    const made = SHAPES[trained].map((shape, i) => random(shape, i));
    const gradients = (): tf.NamedTensorMap =>
      Object.fromEntries(variables.map((variable, i) => [variable.name, tf.add(made[i], 0)]));
    return { variables, gradients };
  }
  const loss = lossOf(trained);
  return {
    variables,
    gradients: () => {
      const { value, grads } = tf.variableGrads(() => loss(variables), [...variables]);
      value.dispose();
      return grads;
    },
  };
}

/** Adds what a round of so many steps takes; steps take the mean. */
function measure(
  { gradients }: Training,
  optimizer: tf.Optimizer,
  steps: number,
  { whole, optimizer: part }: Taken,
): void {
  let [all, own] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    const given = gradients();
    const computed = performance.now();
    optimizer.applyGradients(given);
    own += performance.now() - computed;
    tf.dispose(given);
    all += performance.now() - start;
  }
  whole.push(all / steps);
  part.push(own / steps);
}

/** @throws Error if the optimizers computed something else. */
function check(one: Training, other: Training): void {
  one.variables.forEach((variable, i) => {
    const difference = tf.max(tf.abs(tf.sub(variable, other.variables[i]))).dataSync()[0];
    if (!(difference < SLACK)) throw new Error(`${variable.name} is off by ${String(difference)}`);
  });
}

async function main({ backend, trained, rounds, warmUp }: FrameworksGiven): Promise<void> {
  await import(`@tensorflow/tfjs-backend-${backend}`);
  await tf.setBackend(backend);
  const [own, ours] = [trainingOf(trained, 'own'), trainingOf(trained, 'ours')];
  const theirs = tf.train.momentum(RATE, MOMENTUM);
  const optimizer = sgd(RATE, { momentum: MOMENTUM });
  const found: FrameworksFound = {
    own: { whole: [], optimizer: [] },
    ours: { whole: [], optimizer: [] },
    copied: 0,
  };
  const steps = trained === 'resnet50' ? 1 : 10;
  const turns = [
    (into: FrameworksFound): void => {
      measure(own, theirs, steps, into.own);
    },
    (into: FrameworksFound): void => {
      measure(ours, optimizer, steps, into.ours);
    },
  ];
  const ignored: FrameworksFound = structuredClone(found);
  const start = performance.now();
  do {
    for (const turn of turns) turn(ignored);
    if (optimizer.iterations === steps) check(own, ours);
  } while (performance.now() - start < warmUp);
  for (let round = 0; round < rounds; round++) {
    for (const turn of round % 2 === 0 ? turns : [...turns].reverse()) turn(found);
  }
  answer({ ...found, copied: optimizer.lastRun?.copiedBytes ?? 0 } satisfies FrameworksFound);
}

void main(given() as FrameworksGiven);
