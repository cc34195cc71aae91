// Workers that are terminated while their steps are in flight; runs in a child.
import type { Lab } from './child';

interface Shared {
  parameters: Float32Array;
  gradients: Float32Array;
}

/** Terminates `count` workers, four at a time, while this thread steps as well. */
export async function terminateWorkers(
  lab: Lab,
  count: number,
): Promise<{ errors: number; ended: number; threadsLeft: number }> {
  const { sgd } = lab;
  const shared = { parameters: sgd.zeros(1 << 18).data, gradients: sgd.zeros(1 << 18).data };
  const own = new sgd.SGD(1, { momentum: 0.5 });
  const [mine, gradients] = [sgd.zeros(1 << 18), sgd.zeros(1 << 18)];
  let stepping = false;
  const busy = setInterval(() => {
    // One at a time: a slow device would still be stepping long after the last worker.
    if (stepping) return;
    stepping = true;
    void own.updateAsync(mine, gradients).then(() => (stepping = false));
  }, 1);
  let [errors, ended] = [0, 0];
  const work = (inside: Lab, { parameters, gradients: given }: Shared): void => {
    const local = inside.sgd.zeros(1 << 16);
    const optimizers = [new inside.sgd.SGD(1, { momentum: 0.5 }), new inside.sgd.SGD(1)];
    for (let i = 0; i < 50; i++) {
      void optimizers[0].updateAsync(parameters, given);
      void optimizers[1].updateAsync(local, inside.sgd.zerosLike(local));
    }
    inside.workers.parentPort?.postMessage('up');
    const third = new inside.sgd.SGD(1, { momentum: 0.5 });
    setInterval(() => {
      third.update(new Float32Array(1 << 16), new Float32Array(1 << 16));
    }, 0);
  };
  const one = async (i: number): Promise<void> => {
    const worker = lab.worker(work, shared);
    worker.on('error', () => errors++);
    await lab.message(worker);
    await new Promise((resolve) => setTimeout(resolve, i % 7));
    await worker.terminate();
    ended++;
  };
  const threads = (): number => (process.platform === 'linux' ? lab.fs.readdirSync('/proc/self/task').length : 0);
  let before = 0;
  for (let i = 0; i < count; i += 4) {
    await Promise.all([0, 1, 2, 3].map((k) => one(i + k)));
    if (i === 0) before = threads();
  }
  clearInterval(busy);
  return { errors, ended, threadsLeft: Math.max(0, threads() - before) };
}
