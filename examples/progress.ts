// The live line on a terminal: nothing where standard error is none.
import { SingleBar } from 'cli-progress';
import type { EpochResult } from './training';

export interface Progress {
  show(result: EpochResult): void;
  stop(): void;
}

export function startProgress(epochs: number): Progress {
  const bar = new SingleBar({
    format: 'epoch {value}/{total} [{bar}] loss {loss}, test accuracy {accuracy} %, {eta} s left',
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // the caller has a handler of its own for Ctrl-C
  });
  bar.start(epochs, 0, { loss: '-', accuracy: '-' });
  return {
    show: ({ epoch, trainLoss, testAccuracy }) => {
      bar.update(epoch, { loss: trainLoss.toFixed(4), accuracy: (100 * testAccuracy).toFixed(2) });
    },
    stop: () => {
      bar.stop();
    },
  };
}
