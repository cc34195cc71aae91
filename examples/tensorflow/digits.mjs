// Trains a convolutional network on handwritten digits: gradients by TensorFlow.js, steps by metal-sgd.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import asciichart from 'asciichart';
import { SingleBar } from 'cli-progress';
import { parse } from 'csv-parse/sync';
import { cosineDecay } from 'metal-sgd';
import { sgd } from 'metal-sgd/tensorflow';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { epochs: { type: 'string', default: '12' } } });
const epochs = Number(values.epochs);
if (!Number.isInteger(epochs) || epochs < 1) {
  console.error(`error: --epochs: expected a whole number from 1, received '${values.epochs}'`);
  process.exit(2);
}
const BATCH = 32;

/** The rows of the file in an order that is the same each time. */
function shuffled(rows) {
  let state = 7;
  const keys = rows.map(() => (state = (state * 48271) % 2147483647));
  return [...rows.keys()].sort((a, b) => keys[a] - keys[b]).map((i) => rows[i]);
}

/** Images of one channel, and their classes. */
function tensorsOf(rows) {
  const pixels = rows.map((row) => row.slice(0, 64).map((value) => value / 16));
  const labels = rows.map((row) => row[64]);
  return {
    x: tf.tensor(pixels.flat(), [rows.length, 8, 8, 1]),
    y: tf.oneHot(tf.tensor1d(labels, 'int32'), 10),
  };
}

const file = readFileSync(new URL('../data/digits.csv', import.meta.url));
const rows = shuffled(parse(file, { from: 2, cast: Number }));
const trained = Math.floor(rows.length * 0.8);
const [train, test] = [rows.slice(0, trained), rows.slice(trained)].map(tensorsOf);

const kernel = (seed) => ({ kernelInitializer: layers.initializers.heNormal({ seed }) });
const model = layers.sequential({
  layers: [
    layers.layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1], ...kernel(1) }),
    layers.layers.maxPooling2d({ poolSize: 2 }),
    layers.layers.flatten(),
    layers.layers.dense({ units: 64, activation: 'relu', ...kernel(2) }),
    layers.layers.dense({ units: 10, activation: 'softmax', ...kernel(3) }),
  ],
});
const steps = epochs * Math.ceil(trained / BATCH);
const optimizer = sgd(cosineDecay(0.05, steps), {
  momentum: 0.9,
  nesterov: true,
  groups: [{ parameters: /kernel/, weightDecay: 1e-4 }],
});
model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });

const bar = new SingleBar({ format: 'step {value}/{total} [{bar}] loss {loss}, {eta} s left', clearOnComplete: true });
bar.start(steps, 0, { loss: '-' });
const { history } = await model.fit(train.x, train.y, {
  epochs,
  batchSize: BATCH,
  verbose: 0,
  callbacks: { onBatchEnd: async (_, { loss }) => bar.increment({ loss: loss.toFixed(4) }) },
});
bar.stop();
if (epochs > 1) console.log(`loss over ${epochs} epochs\n${asciichart.plot(history.loss, { height: 8 })}`);
const [loss, accuracy] = model.evaluate(test.x, test.y).map((one) => one.dataSync()[0]);
console.log(`test loss: ${loss.toFixed(4)}`);
console.log(`test accuracy: ${(100 * accuracy).toFixed(2)} %`);
