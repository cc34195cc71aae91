// SGD as an optimizer of TensorFlow.js, on backends that differ in where elements lie.
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { join } from 'node:path';
import { MetalSGD, sgd } from '../../lib/tensorflow';
import { temporaryFolders } from '../helpers/folders';
import {
  BACKENDS,
  batch,
  dense,
  init,
  labels,
  lossOf,
  modelOf,
  pixels,
  QUIET,
  registerBackends,
  step,
  variablesOf,
} from '../helpers/tensorflow';

const newFolder = temporaryFolders();

/** One whose elements no other tensor has. */
const newVariable = (elements: () => tf.Tensor, name: string): tf.Variable =>
  tf.tidy(() => tf.variable(elements(), true, name));

beforeAll(registerBackends);

describe.each(BACKENDS)('backend %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    await tf.ready();
  });
  test('nothing is left of 1,000 steps, and what is copied is counted', () => {
    const model = layers.sequential({ layers: [dense({ units: 3, inputShape: [64], ...init(1) })] });
    const [variables, x] = [variablesOf(model), batch(0, model).x];
    const optimizer = sgd(0.01, { momentum: 0.9, device: 'cpu' }); // a GPU copies what is not in an arena
    const take = (): void => {
      optimizer.minimize(() => tf.mean(model.apply(x) as tf.Tensor), false, variables);
    };
    take();
    const before = tf.memory();
    for (let i = 0; i < 1000; i++) take();
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    expect({ numTensors, numBytes, numDataBuffers }).toEqual({
      numTensors: before.numTensors,
      numBytes: before.numBytes,
      numDataBuffers: before.numDataBuffers,
    });
    expect(optimizer.lastRun).toMatchObject({
      device: 'cpu',
      copiedBytes: { cpu: 0, wasm: 1, copying: 2 }[backend] * 4 * (64 * 3 + 3),
    });
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before.numTensors);
  });

  test('variables that appear, disappear, are frozen, written or made anew', () => {
    const [a, b] = [
      newVariable(() => tf.tensor([1, 2]), `${backend}/a`),
      newVariable(() => tf.tensor([3]), `${backend}/b`),
    ];
    const [ga, gb] = [tf.tensor([1, 1]), tf.tensor([1])];
    const optimizer = sgd(1, { momentum: 0.5, trainable: /\/[ab]$/ });
    const apply = (gradients: Record<string, tf.Tensor>): number[][] => {
      optimizer.applyGradients(gradients);
      return [a, b].map((variable) => (variable.isDisposed ? [] : [...variable.dataSync()]));
    };
    expect(apply({ [a.name]: ga })).toEqual([[0, 1], [3]]);
    expect(apply({ [a.name]: ga, [b.name]: gb })).toEqual([[-1.5, -0.5], [2]]);
    expect(apply({ [b.name]: gb })).toEqual([[-1.5, -0.5], [0.5]]);
    tf.tidy(() => {
      a.assign(tf.tensor([10, 20]));
    });
    expect(apply({ [a.name]: ga })).toEqual([[8.25, 18.25], [0.5]]);
    const frozen = newVariable(() => tf.tensor([7]), `${backend}/frozen`);
    optimizer.applyGradients({ [frozen.name]: gb, [b.name]: gb });
    expect([...frozen.dataSync()]).toEqual([7]);
    const { name } = b;
    b.dispose();
    expect(() => apply({ [name]: gb })).toThrow(`${name}: there is no variable of this name`);
    const again = newVariable(() => tf.tensor([5]), name);
    apply({ [name]: gb });
    expect(again.dataSync()[0]).toBeLessThan(5);
  });

  test('large gradients are copied by no backend that has them in memory', () => {
    const variable = newVariable(() => tf.zeros([300, 300]), `${backend}/large`);
    const optimizer = sgd(0.5, { momentum: 0.5, device: 'cpu' });
    for (const gradient of [1, 2, 3])
      tf.tidy(() => {
        optimizer.applyGradients({ [variable.name]: tf.fill([300, 300], gradient) });
      });
    expect(new Set(variable.dataSync())).toEqual(new Set([-0.5 * (1 + 2.5 + 4.25)]));
    expect(optimizer.lastRun?.copiedBytes).toBe(backend === 'copying' ? 2 * 4 * 300 * 300 : 0);
  });

  test('a name that comes again with another shape is refused, and another optimizer takes it', () => {
    const name = `${backend}/again`;
    const take = (gradient: tf.Tensor, optimizer: MetalSGD): void => {
      optimizer.applyGradients({ [name]: gradient });
    };
    const optimizer = sgd(1, { momentum: 0.5 });
    const first = newVariable(() => tf.zeros([2, 3]), name);
    take(tf.ones([2, 3]), optimizer);
    first.dispose();
    const second = newVariable(() => tf.zeros([3, 2]), name);
    expect(() => {
      take(tf.ones([3, 2]), optimizer);
    }).toThrow(name);
    expect([...second.dataSync()]).toEqual([0, 0, 0, 0, 0, 0]);
    take(tf.ones([3, 2]), sgd(1));
    expect([...second.dataSync()]).toEqual([-1, -1, -1, -1, -1, -1]);
  });

  test('variables move from backend to backend with their elements', async () => {
    const variable = newVariable(() => tf.tensor([1, 2]), `${backend}/moves`);
    const optimizer = sgd(1, { momentum: 0.5 });
    const results: number[][] = [];
    for (const other of ['cpu', 'wasm', 'copying', 'cpu', 'wasm', backend]) {
      await tf.setBackend(other);
      const clone = variable.clone();
      const before = [...clone.dataSync()];
      optimizer.applyGradients({ [variable.name]: tf.tensor([1, 0]) });
      expect([...clone.dataSync()]).toEqual(before);
      clone.dispose();
      optimizer.applyGradients({ [variable.name]: tf.tensor([0, 1]) });
      results.push([...tf.add(variable, 0).dataSync()]);
    }
    const [w, v] = [
      [1, 2],
      [0, 0],
    ];
    const expected = results.map(() => {
      for (const gradient of [
        [1, 0],
        [0, 1],
      ])
        gradient.forEach((g, i) => {
          v[i] = Math.fround(0.5 * v[i] + g);
          w[i] = Math.fround(w[i] - v[i]);
        });
      return [...w];
    });
    expect(results).toEqual(expected);
  });

  test('layers that are shared, frozen, and thawed', () => {
    const shared = dense({ units: 64, activation: 'relu', ...init(4), inputShape: [64] });
    const input = layers.input({ shape: [64] });
    const output = dense({ units: 10, ...init(5) }).apply(shared.apply(shared.apply(input)));
    const model = layers.model({ inputs: input, outputs: output as layers.SymbolicTensor });
    const optimizer = sgd(0.1, { momentum: 0.9 });
    step(optimizer, model, 0);
    const kernel = shared.trainableWeights[0];
    const before = [...kernel.read().dataSync()];
    shared.trainable = false;
    expect(variablesOf(model)).toHaveLength(2);
    step(optimizer, model, 1);
    expect([...kernel.read().dataSync()]).toEqual(before);
    shared.trainable = true;
    const loss = step(optimizer, model, 0);
    expect([...kernel.read().dataSync()]).not.toEqual(before);
    expect(step(optimizer, model, 0)).toBeLessThan(loss);
  });

  test('steps by clipped gradients are those of gradients clipped by hand', () => {
    const [clipping, plain] = [modelOf('perceptron'), modelOf('perceptron')];
    const [optimizer, other] = [sgd(0.5, { clipValue: 0.01 }), sgd(0.5)];
    for (let i = 0; i < 5; i++) {
      step(optimizer, clipping, i);
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => lossOf(plain, i), variablesOf(plain));
        const clipped = Object.entries(grads).map(([name, one]) => [name, tf.clipByValue(one, -0.01, 0.01)]);
        other.applyGradients(Object.fromEntries(clipped) as tf.NamedTensorMap);
      });
    }
    const [mine, theirs] = [clipping, plain].map((model) => model.getWeights().map((one) => one.dataSync()));
    expect(mine).toEqual(theirs);
  });

  test('a fit that ends early has taken the steps that it counts', async () => {
    const model = modelOf('perceptron');
    const optimizer = sgd(0, { momentum: 0.9 }); // never better
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const [x, y] = [tf.ones([64, 64]), tf.ones([64, 10])];
    const callbacks = layers.callbacks.earlyStopping({ monitor: 'loss', patience: 1 });
    const { epoch } = await model.fit(x, y, { epochs: 10, batchSize: 32, ...QUIET, callbacks });
    expect(epoch.length).toBeLessThan(5);
    expect(optimizer.iterations).toBe(2 * epoch.length);
  });

  test('one tensor may be the gradient of two variables', () => {
    const [a, b] = ['c', 'd'].map((name) => newVariable(() => tf.tensor([1, 2]), `${backend}/${name}`));
    const optimizer = sgd(1);
    for (const loss of [(): tf.Tensor => tf.add(a, b), (): tf.Tensor => tf.mul(a, b)])
      optimizer.minimize(() => tf.sum(loss()), false, [a, b]);
    expect([a, b].map((one) => [...one.dataSync()])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('a clone of a variable keeps its elements', () => {
    const variable = tf.variable(tf.tensor([1, 2]), true, `${backend}/cloned`);
    const optimizer = sgd(1);
    const clones = [0, 1].map(() => {
      const clone = variable.clone();
      optimizer.applyGradients({ [variable.name]: tf.tensor([1, 1]) });
      return clone;
    });
    expect([...clones, variable].map((one) => [...one.dataSync()])).toEqual([
      [1, 2],
      [0, 1],
      [-1, 0],
    ]);
  });

  test('resumes to the same losses: from a file, and from its weights', async () => {
    const model = modelOf('perceptron');
    const optimizer = sgd(0.1, { momentum: 0.9 });
    for (let i = 0; i < 5; i++) step(optimizer, model, i);
    const path = await optimizer.sgd.save(join(newFolder(), 'a.safetensors'));
    const [weights, state] = [model.getWeights().map((one) => one.clone()), await optimizer.getWeights()];
    const expected = [5, 6, 7].map((i) => step(optimizer, model, i));
    model.setWeights(weights);
    for (const restore of [
      (other: MetalSGD): Promise<unknown> => other.sgd.load(path),
      (other: MetalSGD): Promise<unknown> => other.setWeights(state),
    ]) {
      model.setWeights(weights);
      const other = sgd(0.1, { momentum: 0.9 });
      await restore(other);
      expect(other.iterations).toBe(5);
      expect([5, 6, 7].map((i) => step(other, model, i))).toEqual(expected);
    }
  });

  test('compile, fit with callbacks, save and load a compiled model', async () => {
    const model = layers.sequential({
      layers: [dense({ units: 10, inputShape: [64], activation: 'softmax', ...init(3) })],
    });
    const optimizer = sgd(0.1, { momentum: 0.9, clipValue: 1 });
    model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
    const x = tf.tensor(Float32Array.from(pixels), [labels.length, 64]);
    const y = tf.oneHot(tf.tensor1d(Array.from(labels), 'int32'), 10);
    const rates: number[] = [];
    const { history } = await model.fit(x, y, {
      epochs: 3,
      batchSize: 64,
      ...QUIET,
      callbacks: {
        onEpochBegin: async (epoch) => {
          optimizer.learningRate = 0.1 / (1 + epoch);
          return Promise.resolve();
        },
        onEpochEnd: async () => {
          rates.push(optimizer.sgd.learningRate);
          return Promise.resolve();
        },
      },
    });
    expect(rates).toEqual([0.1, 0.05, 0.1 / 3]);
    expect(history['acc'][2]).toBeGreaterThan(0.9);
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } });
      }),
      { includeOptimizer: true },
    );
    const loaded = await layers.loadLayersModel(tf.io.fromMemory(saved as tf.io.ModelArtifacts));
    expect(loaded.optimizer).toBeInstanceOf(MetalSGD);
    const other = loaded.optimizer as unknown as MetalSGD;
    expect(other.iterations).toBe(optimizer.iterations);
    await model.fit(x, y, { epochs: 1, batchSize: 64, shuffle: false, ...QUIET });
    await loaded.fit(x, y, { epochs: 1, batchSize: 64, shuffle: false, ...QUIET });
    const [mine, theirs] = [model, loaded].map((one) => one.getWeights().map((tensor) => tensor.dataSync()));
    expect(theirs).toEqual(mine);
    expect(other.sgd).toMatchObject({ momentum: 0.9, clipValue: 1, step: optimizer.iterations });
  });

  test('groups pick variables by their names', () => {
    const model = modelOf('perceptron');
    const optimizer = sgd(0.1, { groups: [{ parameters: /bias$/, learningRate: 0 }] });
    const biases = variablesOf(model).filter(({ name }) => name.endsWith('bias'));
    step(optimizer, model, 0);
    expect(biases.map((bias) => [...bias.dataSync()].every((one) => one === 0))).toEqual([true, true]);
    expect(() => optimizer.getConfig()).toThrow('getConfig: groups and trainable are code, which no file holds');
  });

  test('what does not fit is named, and nothing is written', () => {
    const a = newVariable(() => tf.tensor([1, 2]), `${backend}/good`);
    const whole = newVariable(() => tf.tensor([1], undefined, 'int32'), `${backend}/whole`);
    const text = newVariable(() => tf.tensor(['a']), `${backend}/text`);
    const optimizer = sgd(0.1);
    const good = { [a.name]: tf.tensor([1, 1]) };
    const wrong: [Record<string, tf.Tensor>, string][] = [
      [{ ...good, [whole.name]: tf.tensor([1]) }, `${whole.name}: expected float32, received int32`],
      [{ ...good, [text.name]: tf.tensor([1]) }, `${text.name}: expected float32, received string`],
      [{ [a.name]: tf.tensor([1, 1], [2], 'int32') }, `gradient of ${a.name}: expected float32, received int32`],
      [{ [a.name]: tf.tensor([1, 2, 3]) }, `gradient of ${a.name}: expected the shape [2], received [3]`],
      [{ ...good, none: tf.tensor([1]) }, 'none: there is no variable of this name: it was disposed, or never made'],
    ];
    for (const [gradients, message] of wrong)
      expect(() => {
        optimizer.applyGradients(gradients);
      }).toThrow(message);
    expect([...a.dataSync()]).toEqual([1, 2]);
    expect(optimizer.iterations).toBe(0);
    optimizer.dispose();
    expect(() => {
      optimizer.applyGradients(good);
    }).toThrow('applyGradients: this optimizer was disposed; make another');
    expect(() => sgd(0.1, { momentun: 1 } as never)).toThrow('momentun');
  });
});
