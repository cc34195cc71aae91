// The entry for TensorFlow.js, by import and require: prints what a variable became, and whether all share one library.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { SGD } from 'metal-sgd';
import { MetalSGD, sgd } from 'metal-sgd/tensorflow';

const required = createRequire(import.meta.url)('metal-sgd/tensorflow');
const optimizer = sgd(0.5, { momentum: 0.5 });
const variable = tf.variable(tf.tensor([1, 2]), true, 'a');
for (const gradient of [1, 2]) optimizer.applyGradients({ a: tf.fill([2], gradient) });
const shared = required.MetalSGD === MetalSGD && optimizer.sgd instanceof SGD && optimizer instanceof tf.Optimizer;
console.log(JSON.stringify({ elements: [...variable.dataSync()], shared }));
