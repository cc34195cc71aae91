// A worker thread of crew.ts: writes the gradients of its share of each batch, and sleeps in between.
import { parentPort, workerData } from 'node:worker_threads';
import type { Share, WorkerGiven } from './crew';
import { Perceptron } from './model';
import { addUpGradients } from './shares';

const { weights, gradients, images } = workerData as WorkerGiven;
const network = new Perceptron(weights);

parentPort?.on('message', ({ images: share, scale }: Share) => {
  parentPort?.postMessage(addUpGradients(network, images, share, gradients, scale));
});
