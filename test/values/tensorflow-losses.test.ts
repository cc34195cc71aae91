// SGD as an optimizer of TensorFlow.js has the losses of a plain loop, to the bit.
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { SGD, type SGDOptions, type Tensor } from '../../lib';
import { sgd } from '../../lib/tensorflow';
import { BACKENDS, lossOf, modelOf, numberOf, registerBackends, step, variablesOf } from '../helpers/tensorflow';

beforeAll(registerBackends);

/** The losses of steps that an `SGD` takes on copies of gradients and parameters. */
class PlainLoop {
  readonly losses: number[] = [];
  readonly #names = new Map<string, string>();

  constructor(
    readonly model: layers.LayersModel,
    readonly optimizer: SGD,
  ) {
    variablesOf(model).forEach(({ name }, i) => this.#names.set(name, `v${String(i)}`));
  }

  step(i: number): void {
    const { value, grads } = tf.variableGrads(() => lossOf(this.model, i), variablesOf(this.model));
    const copies = (tensors: Readonly<Record<string, tf.Tensor>>): Record<string, Tensor> =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          this.#names.get(name) ?? name,
          { data: Float32Array.from(tensor.dataSync()), shape: tensor.shape, dtype: 'float32' },
        ]),
      );
    const variables = Object.fromEntries(variablesOf(this.model).map((variable) => [variable.name, variable]));
    const [parameters, gradients] = [copies(variables), copies(grads)];
    this.optimizer.update(parameters, gradients);
    for (const [name, variable] of Object.entries(variables)) {
      const fresh = tf.tensor(parameters[this.#names.get(name) ?? name].data, variable.shape);
      variable.assign(fresh);
      fresh.dispose();
    }
    this.losses.push(numberOf(value));
    tf.dispose(grads);
  }
}

describe.each(BACKENDS)('backend %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    await tf.ready();
  });
  test.each<['perceptron' | 'CNN', SGDOptions]>([
    ['perceptron', { momentum: 0.9, nesterov: true, weightDecay: 1e-3 }],
    ['perceptron', { momentum: 0.9, dampening: 0.1, maxNorm: 1, emaDecay: 0.9 }],
    ...(backend === 'cpu' ? [['CNN', { momentum: 0.9 }] as ['CNN', SGDOptions]] : []), // wasm has no gradient of convolutions
  ])('50 steps of a %s have the losses of a plain loop: %j', (kind, options) => {
    const [ours, plain] = [modelOf(kind), modelOf(kind)];
    const optimizer = sgd((step) => 0.1 / (1 + step / 10), options);
    const loop = new PlainLoop(plain, new SGD((step) => 0.1 / (1 + step / 10), options));
    const losses = Array.from({ length: 50 }, (_, i) => {
      loop.step(i);
      return step(optimizer, ours, i);
    });
    expect(losses).toEqual(loop.losses);
    expect(losses[49]).toBeLessThan(losses[0] / 2);
    expect(optimizer.iterations).toBe(50);
  });

  test('one optimizer of two models mixes nothing', () => {
    const kinds = backend !== 'wasm' ? (['perceptron', 'CNN'] as const) : (['perceptron', 'perceptron'] as const);
    const models = kinds.map(modelOf);
    const optimizer = sgd(0.1, { momentum: 0.9 });
    const loops = kinds.map((kind) => new PlainLoop(modelOf(kind), new SGD(0.1, { momentum: 0.9 })));
    for (let i = 0; i < 10; i++) {
      models.forEach((model, k) => {
        loops[k].step(i);
        expect(step(optimizer, model, i)).toBe(loops[k].losses[i]);
      });
    }
  });
});
