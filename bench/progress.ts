// The live line on a terminal: nothing where standard error is none.
import { SingleBar } from 'cli-progress';

export interface Progress {
  show(done: number, doing: string): void;
  stop(): void;
}

export function startProgress(total: number): Progress {
  const bar = new SingleBar({
    format: '[{bar}] {percentage} % {doing}',
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // the caller has a handler of its own for Ctrl-C
  });
  bar.start(total, 0, { doing: '' });
  return {
    show: (done, doing) => {
      bar.update(done, { doing });
    },
    stop: () => {
      bar.stop();
    },
  };
}
