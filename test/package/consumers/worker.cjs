// The package in a worker, with the main thread's memory: `worker.cjs FIXTURES` prints how many steps were right there,
// and whether a step of the worker's is seen here.
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');
const sgd = require('metal-sgd');
const { train } = require('./train.cjs');

if (isMainThread) {
  const parameters = sgd.zeros({ weight: [3], bias: [1] });
  const worker = new Worker(module.filename, { workerData: { folder: process.argv[2], parameters } });
  worker.on('message', (steps) => {
    const seen = [...parameters.weight.data, ...parameters.bias.data];
    console.log(JSON.stringify({ steps, seen }));
  });
} else {
  const { folder, parameters } = workerData;
  const gradients = sgd.zerosLike(parameters);
  gradients.weight.data.fill(-2);
  new sgd.SGD(0.5).update(parameters, gradients);
  train(sgd, folder).then((steps) => parentPort.postMessage(steps));
}
