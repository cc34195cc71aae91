// What is printed: plain text without colours, so that it reads the same in a pipe.
import * as asciichart from 'asciichart';
import { type Device, devices, type SGD } from 'metal-sgd';
import type { Evaluation } from './metrics';
import type { EpochResult } from './training';

const CHART_WIDTH = 60;
const CHART_HEIGHT = 10;

/** Such as `cpu (x64, AVX-512, 2 threads)`. */
export function describeDevices(): string {
  return devices().map(describeDevice).join('; ');
}

function describeDevice(device: Device): string {
  if (device.type === 'gpu') return `gpu (${device.name})`;
  return `cpu (${device.name}, ${device.instructionSet}, ${plural(device.threads, 'thread')})`;
}

/** Where the steps ran, why, and how fast training went. */
export function describeRun({ lastRun, step }: SGD, seconds: number): string {
  const where = lastRun ? `${lastRun.device}, since ${lastRun.reason}` : 'nowhere';
  return `${where}; ${plural(step, 'step')} in ${seconds.toFixed(1)} s`;
}

/** What happened to the gradients; `undefined` if no step measured them. */
export function describeGradients({ lossScale }: SGD, history: readonly EpochResult[]): string | undefined {
  const measured = history.flatMap(({ gradients }) => gradients ?? []);
  const last = measured.at(-1);
  if (!last) return undefined;
  const norm = Math.max(...measured.map(({ norm }) => norm));
  const counts = `${plural(last.clipped, 'step')} clipped, ${plural(last.skipped, 'step')} skipped`;
  const scale = lossScale === undefined ? '' : `; loss scale ${String(lossScale)}`;
  return `norm up to ${norm.toPrecision(3)}; ${counts}${scale}`;
}

/** The training loss over the epochs, drawn with characters; its scale is logarithmic. */
export function lossChart(history: readonly EpochResult[]): string {
  const width = Math.min(CHART_WIDTH, Math.max(2, history.length));
  const points = Array.from({ length: width }, (_, column) => {
    const { trainLoss } = history[Math.round((column / (width - 1)) * (history.length - 1))];
    return Math.log10(Math.max(trainLoss, Number.MIN_VALUE));
  });
  // asciichart never returns from a line that is almost flat.
  const flat = Math.max(...points) - Math.min(...points) < 0.01;
  const scale = flat ? { min: points[0] - 1, max: points[0] + 1 } : {};
  const format = (value: number): string => (10 ** value).toPrecision(2).padStart(9);
  const chart = asciichart.plot(points, { height: CHART_HEIGHT, format, ...scale });
  return `training loss, epochs 1 to ${String(history.length)}\n${chart}`;
}

/** Precision, recall and number of images of each digit. */
export function classTable({ classes }: Evaluation): string {
  const percent = (share: number): string => (Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)} %`);
  const rows = classes.map(({ precision, recall, count }, digit) => [
    String(digit),
    percent(precision),
    percent(recall),
    String(count),
  ]);
  return [['digit', 'precision', 'recall', 'count'], ...rows]
    .map((row) => row.map((cell) => cell.padStart(9)).join('  '))
    .join('\n');
}

/** Such as `1 step`, `2 steps`. */
export function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
