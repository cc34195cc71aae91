// How long `update` and the call of `updateAsync` hold the thread, by size: `node bench/thread.mjs`, for docs/numbers.md.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SGD, zeros, zerosLike } from 'metal-sgd';

const SIZES = [1e3, 1e4, 3e4, 1e5, 3e5, 1e6, 1e7];
const WARM_UP = 50;

const median = (times) => times.sort((a, b) => a - b)[(times.length - 1) / 2];
const microseconds = (times) => Number((1000 * median(times)).toPrecision(3));

async function measure(elements) {
  const parameters = zeros({ weight: [elements] });
  const gradients = zerosLike(parameters);
  parameters.weight.data.fill(1);
  gradients.weight.data.fill(1e-6);
  const optimizer = new SGD(0.01, { momentum: 0.9, device: 'cpu' });
  for (let i = 0; i < WARM_UP; i++) {
    optimizer.update(parameters, gradients);
    await optimizer.updateAsync(parameters, gradients);
  }
  const [update, call, settled] = [[], [], []];
  const rounds = elements >= 1e6 ? 101 : 1001;
  for (let i = 0; i < rounds; i++) {
    await nextTurn();
    let start = performance.now();
    optimizer.update(parameters, gradients);
    update.push(performance.now() - start);
    start = performance.now();
    const pending = optimizer.updateAsync(parameters, gradients);
    call.push(performance.now() - start);
    await pending;
    settled.push(performance.now() - start);
  }
  return { elements, update: microseconds(update), call: microseconds(call), settled: microseconds(settled) };
}

console.log('Medians in microseconds: update; the call of updateAsync; updateAsync until it settles.');
for (const elements of SIZES) console.log(Object.values(await measure(elements)).join('\t'));
