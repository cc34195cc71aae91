// The live line on a terminal: nothing where standard error is none.
import { SingleBar } from 'cli-progress';
import type { GradientResult } from './gradients';
import { plural } from './report';
import type { EpochResult } from './training';

export interface Progress {
  show(result: EpochResult): void;
  stop(): void;
}

export function startProgress(epochs: number): Progress {
  const bar = new SingleBar({
    format: 'epoch {value}/{total} [{bar}] loss {loss}, test accuracy {accuracy} %{gradients}, {eta} s left',
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // the caller has a handler of its own for Ctrl-C
  });
  bar.start(epochs, 0, { loss: '-', accuracy: '-', gradients: '' });
  return {
    show: ({ epoch, trainLoss, testAccuracy, gradients }) => {
      const accuracy = (100 * testAccuracy).toFixed(2);
      bar.update(epoch, { loss: trainLoss.toFixed(4), accuracy, gradients: inShort(gradients) });
    },
    stop: () => {
      bar.stop();
    },
  };
}

/** Such as `, norm 1.25, 2 steps skipped`; nothing where no step measures its gradients. */
function inShort(gradients: GradientResult | undefined): string {
  return gradients ? `, norm ${gradients.norm.toPrecision(3)}, ${plural(gradients.skipped, 'step')} skipped` : '';
}
