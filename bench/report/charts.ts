// Charts of a run as SVG.
import type { Markish } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Result, Results } from '../results';
import { pairedRatios, summarize } from '../statistics';
import { sampled } from '../table';
import { titleOf } from './names';
import { peers } from './peers';

export interface Chart {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

export type Plot = typeof import('@observablehq/plot');

export interface Drawing {
  readonly name: string;
  readonly title: string;
  readonly options: { readonly style?: object } & Record<string, unknown>;
  readonly marks: Markish[];
}

const OWN = 'metal-sgd';
/** Relative speeds above it are noise: their bars end here, and tell the figure. */
const HIGHEST = 1.3;
export const COLOURS = ['#1f6fb4', '#d1651a', '#3a8f3a', '#8a5fb0'];

/** Those for which there is something to draw: other packages of any run, all else of the first. */
export async function charts(results: Results, others: readonly Results[]): Promise<Chart[]> {
  const Plot = await import('@observablehq/plot'); // an ES module
  const drawings = [
    peers(Plot, [results, ...others]),
    speeds(Plot, results),
    sizes(Plot, results),
    dtypes(Plot, results),
  ];
  return drawings.flatMap((drawing) => (drawing ? draw(Plot, drawing) : []));
}

function draw(Plot: Plot, { name, title, options, marks }: Drawing): Chart {
  const { document } = parseHTML('<html><body></body></html>');
  // Dark or light, a page shows an image as it is.
  const plot = Plot.plot({
    ...options,
    style: { background: 'white', color: '#222', ...options.style },
    document,
    marks,
  });
  const found = plot.tagName.toLowerCase() === 'svg' ? plot : plot.querySelector('svg');
  if (!found) throw new Error(`${name}: no chart came out`);
  found.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return { name, title, svg: `${found.outerHTML}\n` };
}

/** Relative to C, of the first dtype and rule with most threads, by contestant and model. */
function speeds(Plot: Plot, { results }: Results): Drawing | undefined {
  const base = baseOf(results);
  const points = base.flatMap(({ model, series }) =>
    series.flatMap(({ contestant }) => {
      const ratios = speedsOf({ series }, contestant);
      return ratios.length > 0 && contestant !== 'C' && contestant !== 'triad'
        ? [{ model: titleOf(model), contestant, speed: summarize(ratios).median }]
        : [];
    }),
  );
  if (points.length === 0) return undefined;
  const contestants = [...new Set(points.map(({ contestant }) => contestant))];
  return {
    name: 'speeds.svg',
    title: `Speed relative to the bare C loop, ${describe(base[0])}`,
    options: {
      width: 900,
      height: 60 + 18 * contestants.length,
      marginLeft: 190,
      x: { label: 'speed / C', domain: [0, HIGHEST], ticks: 3, grid: true },
      y: { label: null, domain: contestants },
      fx: { label: null, domain: base.map(({ model }) => titleOf(model)) },
    },
    marks: [
      Plot.barX(points, {
        x: (one: { speed: number }) => Math.min(HIGHEST, one.speed),
        y: 'contestant',
        fx: 'model',
        fill: COLOURS[0],
      }),
      Plot.ruleX([1], { stroke: COLOURS[1] }),
      Plot.text(
        points.filter(({ speed }) => speed > HIGHEST),
        {
          x: HIGHEST,
          y: 'contestant',
          fx: 'model',
          text: ({ speed }: { speed: number }) => `${speed.toFixed(1)} →`,
          textAnchor: 'end',
          dx: -3,
          fill: 'white',
        },
      ),
    ],
  };
}

/** Of single leaves, over their size. */
function sizes(Plot: Plot, { results }: Results): Drawing | undefined {
  const points = results
    .filter(
      ({ leaves, elements, dtype, rule }) =>
        leaves === 1 && elements >= 10_000 && dtype === 'float32' && rule.name === 'momentum',
    )
    .flatMap(({ elements, threads, series }) => {
      const ratios = speedsOf({ series }, OWN);
      return ratios.length > 0
        ? [{ elements, threads: `${String(threads)} thread${threads === 1 ? '' : 's'}`, ...summarize(ratios) }]
        : [];
    })
    .sort((a, b) => a.elements - b.elements);
  if (new Set(points.map(({ elements }) => elements)).size < 2) return undefined;
  return {
    name: 'sizes.svg',
    title: 'Speed relative to the C loop with as many threads, float32 momentum, by elements (median and quartiles)',
    options: {
      width: 760,
      height: 360,
      marginRight: 70,
      x: { label: 'elements', type: 'log', tickFormat: '~s' },
      y: { label: 'speed / C', grid: true, domain: [0, HIGHEST] },
      fy: { label: null },
    },
    marks: [
      Plot.ruleY([1], { stroke: COLOURS[1] }),
      Plot.ruleX(points, { x: 'elements', y1: 'low', y2: 'high', fy: 'threads', stroke: COLOURS[0], clip: true }),
      Plot.lineY(points, { x: 'elements', y: 'median', fy: 'threads', stroke: COLOURS[0], clip: true }),
      Plot.dot(points, { x: 'elements', y: 'median', fy: 'threads', fill: COLOURS[0], clip: true }),
    ],
  };
}

/** Bytes per second of the largest single leaf that was measured in several dtypes. */
function dtypes(Plot: Plot, { results }: Results): Drawing | undefined {
  const threads = Math.max(...results.map((one) => one.threads));
  const points = results
    .filter((one) => one.model === 'leaf-25.6m' && one.rule.name === 'momentum' && one.threads === threads)
    .flatMap(({ dtype, series }) =>
      ['C', OWN, 'triad', 'JavaScript'].flatMap((contestant) => {
        const found = sampled(series, contestant);
        return found ? [{ dtype, contestant, rate: found.bytes / summarize(found.samples).median }] : [];
      }),
    );
  if (points.length === 0) return undefined;
  return {
    name: 'dtypes.svg',
    title: `GB/s by bytes that must move: one leaf of 25.6 M elements, momentum, ${String(threads)} threads`,
    options: {
      width: 760,
      height: 260,
      x: { label: 'GB/s', grid: true },
      y: { label: null },
      fy: { label: null, domain: [...new Set(points.map(({ dtype }) => dtype))] },
      marginLeft: 90,
      marginRight: 70,
      color: { range: COLOURS },
    },
    marks: [Plot.barX(points, { x: 'rate', y: 'contestant', fy: 'dtype', fill: 'contestant' }), Plot.ruleX([0])],
  };
}

/** The results in the first one's dtype and rule, with the most threads, each model once. */
function baseOf(results: readonly Result[]): Result[] {
  const first = results.at(0);
  if (!first) return [];
  const threads = Math.max(...results.map((one) => one.threads));
  const alike = results.filter(
    (one) =>
      one.dtype === first.dtype &&
      one.rule.name === first.rule.name &&
      one.threads === threads &&
      one.series.length > 2,
  );
  return [...new Map(alike.map((one) => [one.model, one])).values()];
}

const describe = ({ dtype, rule, threads }: Result): string => `${dtype} ${rule.name}, ${String(threads)} threads`;

function speedsOf({ series }: Pick<Result, 'series'>, contestant: string): number[] {
  const [c, one] = [sampled(series, 'C'), sampled(series, contestant)];
  return c && one ? pairedRatios(c.samples, one.samples) : [];
}
