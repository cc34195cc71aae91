// Models, batches and backends for the tests of TensorFlow.js's optimizer.
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { join } from 'node:path';
import { readDigits } from '../../examples/data';
import { ROOT } from './child';

export const { pixels, labels } = readDigits(join(ROOT, 'examples', 'data', 'digits.csv'));
const BATCH = 16;
export const QUIET = { verbose: 0 } as const;

export const { dense, conv2d, flatten } = layers.layers;
export const init = (seed: number): { kernelInitializer: ReturnType<typeof layers.initializers.glorotUniform> } => ({
  kernelInitializer: layers.initializers.glorotUniform({ seed }),
});

/** The same weights each time; its variables get new names. */
export function modelOf(kind: 'perceptron' | 'CNN'): layers.Sequential {
  if (kind === 'perceptron') {
    const hidden = dense({ units: 24, activation: 'relu', inputShape: [64], ...init(1) });
    return layers.sequential({ layers: [hidden, dense({ units: 10, ...init(2) })] });
  }
  const first = conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1], ...init(1) });
  return layers.sequential({ layers: [first, flatten(), dense({ units: 10, ...init(2) })] });
}

/** Batch `i` of the digits. */
export function batch(i: number, model: layers.LayersModel): { x: tf.Tensor; y: tf.Tensor } {
  const at = (i * BATCH) % 1500;
  const shape = [BATCH, ...(model.inputs[0].shape.slice(1) as number[])];
  const x = tf.tensor(Float32Array.from(pixels.subarray(at * 64, (at + BATCH) * 64)), shape);
  return { x, y: tf.oneHot(tf.tensor1d(Array.from(labels.subarray(at, at + BATCH)), 'int32'), 10) };
}

export const lossOf = (model: layers.LayersModel, i: number): tf.Scalar =>
  tf.tidy(() => {
    const { x, y } = batch(i, model);
    return tf.losses.softmaxCrossEntropy<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor);
  });

export const variablesOf = (model: layers.LayersModel): tf.Variable[] =>
  model.trainableWeights.map(({ name }) => tf.engine().registeredVariables[name]);

export function numberOf(loss: tf.Scalar | null): number {
  const [value] = loss?.dataSync() ?? [NaN];
  loss?.dispose();
  return value;
}

export const step = (optimizer: tf.Optimizer, model: layers.LayersModel, i: number): number =>
  numberOf(optimizer.minimize(() => lossOf(model, i), true, variablesOf(model)));

/** Computes with copies of what it is given, and gives the very arrays back, as backends on GPUs may. */
class CopyingBackend extends MathBackendCPU {
  readonly #given = new WeakMap<object, tf.backend_util.BackendValues>();

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = super.write(values.slice(), shape, dtype);
    this.#given.set(dataId, values);
    return dataId;
  }

  /** What operations compute is none that was given. */
  override makeTensorInfo(...given: Parameters<MathBackendCPU['makeTensorInfo']>): tf.TensorInfo {
    const info = super.makeTensorInfo(...given);
    this.#given.delete(info.dataId);
    return info;
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    return this.#given.get(dataId) ?? super.readSync(dataId).slice();
  }
}

export const BACKENDS = ['cpu', 'wasm', 'copying'] as const;

/** Before the tests of a file. */
export function registerBackends(): void {
  tf.registerBackend('copying', () => new CopyingBackend());
  tf.copyRegisteredKernels('cpu', 'copying');
  jest.spyOn(console, 'warn').mockImplementation(() => undefined); // TensorFlow.js recommends another backend
}
