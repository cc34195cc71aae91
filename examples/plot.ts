// The loss curve as an SVG file.
import { accessSync, constants, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseHTML } from 'linkedom';
import { messageOf, UserError } from './errors';
import type { EpochResult } from './training';

/** Before the training, so that it isn't in vain. @throws UserError if the file's folder can't be written. */
export function checkWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new UserError(`can't write the plot: ${messageOf(error)}`);
  }
}

/** The training and the test loss over the epochs. */
export async function lossCurve(history: readonly EpochResult[]): Promise<string> {
  const Plot = await import('@observablehq/plot'); // an ES module
  const { document } = parseHTML('<html><body></body></html>');
  const points = history.flatMap(({ epoch, trainLoss, testLoss }) => [
    { epoch, loss: trainLoss, set: 'training' },
    { epoch, loss: testLoss, set: 'test' },
  ]);
  const last = history.length;
  const svg = Plot.plot({
    document,
    marginRight: 60,
    x: { label: 'epoch', domain: [1, Math.max(2, last)] },
    y: { label: 'loss', type: 'log', grid: true, tickFormat: '~g' },
    color: { domain: ['training', 'test'], range: ['#1f6fb4', '#d1651a'] },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'loss', stroke: 'set' }),
      Plot.text(
        points.filter(({ epoch }) => epoch === last),
        { x: 'epoch', y: 'loss', text: 'set', fill: 'set', textAnchor: 'start', dx: 6 },
      ),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}

/** Writes a file in one go: whoever looks sees the old one or the whole new one. */
export function writeWhole(path: string, text: string): void {
  const unfinished = `${path}.${String(process.pid)}.tmp`;
  try {
    writeFileSync(unfinished, text);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new UserError(`can't write the plot: ${messageOf(error)}`);
  }
}
