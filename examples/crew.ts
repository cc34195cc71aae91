// Worker threads that compute the shares of a batch. They read the parameters and write gradients in place, since all trees lie
// in shared memory: messages carry indices of images and a loss.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { zerosLike } from 'metal-sgd';
import type { Dataset } from './data';
import { messageOf, UserError } from './errors';
import type { Parameters } from './model';
import { type Gradients, scaleOf, shareOf } from './shares';

/** What a worker is made with. */
export interface WorkerGiven {
  readonly weights: Parameters;
  readonly gradients: Parameters;
  readonly images: Dataset;
}

/** What it is asked; it answers with the sum of the losses. */
export interface Share {
  readonly images: Uint32Array;
  readonly scale: number;
}

/** Milliseconds after which a worker hangs. */
const PATIENCE = 60_000;

/** Starts a worker for each share. */
export function hireCrew(
  weights: Parameters,
  images: Dataset,
  count: number,
  script = join(__dirname, 'worker.js'),
  patience = PATIENCE,
): Gradients {
  const trees = Array.from({ length: count }, () => zerosLike(weights));
  const workers = trees.map((gradients): Worker => {
    const workerData: WorkerGiven = { weights, gradients, images };
    return new Worker(script, { workerData });
  });
  const close = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  const compute = async (batch: Uint32Array, lossScale: number): Promise<readonly number[]> => {
    const scale = scaleOf(batch, count, lossScale);
    try {
      return await Promise.all(
        workers.map((worker, k) => ask(worker, k, { images: shareOf(batch, k, count), scale }, patience)),
      );
    } catch (error) {
      await close();
      throw error;
    }
  };
  return { trees, compute, close };
}

/** @throws UserError with the worker's number if it throws, ends or hangs. */
async function ask(worker: Worker, index: number, share: Share, patience: number): Promise<number> {
  const over = new AbortController();
  const { signal } = over;
  const timer = setTimeout(() => {
    over.abort();
  }, patience);
  // An error of the worker's rejects this.
  const answered = once(worker, 'message', { signal }) as Promise<[number]>;
  const ended = once(worker, 'exit', { signal }).then(([code]): never => {
    throw new Error(`ended with status ${String(code)} before its gradients were there`);
  });
  try {
    worker.postMessage(share);
    const [loss] = await Promise.race([answered, ended]);
    return loss;
  } catch (error) {
    const what = signal.aborted ? `gave no gradients for ${String(patience / 1000)} s` : messageOf(error);
    throw new UserError(`worker ${String(index)}: ${what}`);
  } finally {
    clearTimeout(timer);
    ended.catch(() => undefined);
    answered.catch(() => undefined);
    over.abort();
  }
}
