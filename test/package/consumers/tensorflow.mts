// The types of the entry for TensorFlow.js, as an ES module sees them; runs too.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { cosineDecay } from 'metal-sgd';
import { MetalSGD, sgd, type SgdOptions } from 'metal-sgd/tensorflow';

const options: SgdOptions = { momentum: 0.9, groups: [{ parameters: /bias/, weightDecay: 0 }] };
export const optimizer: tf.Optimizer & MetalSGD = sgd(cosineDecay(0.5, 100), options);
tf.variable(tf.tensor([1]), true, 'bias');
optimizer.applyGradients({ bias: tf.tensor([1]) });
if (optimizer.sgd.step !== 1) throw new Error('wrong');
export const refused = (): void => {
  // @ts-expect-error -- steps of several processes wait
  sgd(0.1, { world: undefined as never });
  // @ts-expect-error -- no such option
  sgd(0.1, { moment: 0.9 });
};
