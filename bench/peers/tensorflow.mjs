// TensorFlow.js, on its backend `wasm` or `cpu`: its own optimizer, with weight decay added to the gradients.
import { createRequire } from 'node:module';
import { serve } from './serve.mjs';

const require = createRequire(import.meta.url);
const backend = process.argv[2];
const tf = require('@tensorflow/tfjs-core');
require(`@tensorflow/tfjs-backend-${backend}`);
await tf.setBackend(backend);
await tf.ready();

function optimizerFor({ learningRate, momentum, nesterov }) {
  return momentum > 0 ? tf.train.momentum(learningRate, momentum, nesterov) : tf.train.sgd(learningRate);
}

function open({ rule, shapes, parameters, gradients }) {
  if (rule.dampening > 0) return 'it has no dampening';
  const optimizer = optimizerFor(rule);
  const names = parameters.map((_, i) => `w${open.count++}.${i}`);
  const variables = parameters.map((data, i) => {
    const initial = tf.tensor(data, shapes[i]);
    const variable = tf.variable(initial, true, names[i]);
    initial.dispose();
    return variable;
  });
  const tensors = gradients.map((data, i) => tf.tensor(data, shapes[i]));
  const decay = tf.scalar(rule.weightDecay);
  return {
    step: () =>
      tf.tidy(() => {
        const decayed = tensors.map((gradient, i) => [names[i], tf.add(gradient, tf.mul(decay, variables[i]))]);
        optimizer.applyGradients(Object.fromEntries(decayed));
      }),
    data: () => Promise.all(variables.map((variable) => variable.data())),
    close: () => {
      optimizer.dispose();
      tf.dispose([...variables, ...tensors, decay]);
    },
  };
}
open.count = 0;

await serve(tf.version_core, open);
