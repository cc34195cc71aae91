// The chart of other packages: milliseconds of one step of the same model, each package at its fastest.
import { PEERS } from '../contestants/peers';
import type { Result, Results } from '../results';
import { summarize } from '../statistics';
import { sampled } from '../table';
import { COLOURS, type Drawing, type Plot } from './charts';
import { titleOf } from './names';

const OWN = 'metal-sgd';
/** The model that most readers know; else the largest one. */
const BEST_KNOWN = 'resnet50';

interface Bar {
  readonly name: string;
  readonly milliseconds: number;
}

/** Of the first run that has other packages. */
export function peers(Plot: Plot, runs: readonly Results[]): Drawing | undefined {
  const results = runs.map((run) => run.results.filter(hasPeers)).find((found) => found.length > 0);
  const largest = results?.reduce((a, b) => (b.elements > a.elements ? b : a));
  const result = results?.find(({ model }) => model === BEST_KNOWN) ?? largest;
  if (!result) return undefined;
  const bars = barsOf(result);
  const parameters = `${(result.elements / 1e6).toPrecision(3)} M ${result.dtype} parameters`;
  return {
    name: 'peers.svg',
    title: `Milliseconds of one update of ${titleOf(result.model)}: ${parameters}, ${result.rule.name}, ${String(result.threads)} threads`,
    options: {
      width: 760,
      height: 75 + 30 * bars.length,
      marginBottom: 45,
      marginLeft: 150,
      marginRight: 70,
      style: { fontSize: '13px' },
      x: { label: 'milliseconds; less is better', labelAnchor: 'center', labelArrow: 'none', grid: true, ticks: 5 },
      y: { label: null, domain: bars.map(({ name }) => name) },
    },
    marks: [
      Plot.barX(bars, {
        x: 'milliseconds',
        y: 'name',
        fill: ({ name }: Bar) => (name === OWN ? COLOURS[1] : COLOURS[0]),
      }),
      Plot.text(bars, {
        x: 'milliseconds',
        y: 'name',
        text: ({ milliseconds }: Bar) => `${milliseconds.toPrecision(3)} ms`,
        textAnchor: 'start',
        dx: 6,
      }),
      Plot.ruleX([0]),
    ],
  };
}

/** The package of a contestant: `PyTorch` of `PyTorch fused`. */
const packageOf = (contestant: string): string => contestant.split(' ')[0];

const PACKAGES = [...new Set(PEERS.map(({ name }) => packageOf(name)))];

const hasPeers = ({ series }: Result): boolean =>
  sampled(series, OWN) !== undefined && series.some(({ contestant }) => PACKAGES.includes(packageOf(contestant)));

/** The fastest of each package, the fastest of all first. */
function barsOf({ series }: Result): Bar[] {
  const timed = series
    .filter(({ contestant }) => sampled(series, contestant))
    .map(({ contestant, samples }) => ({ name: contestant, milliseconds: summarize(samples).median / 1e6 }))
    .sort((a, b) => a.milliseconds - b.milliseconds);
  const fastest = PACKAGES.flatMap((name) => timed.find((one) => packageOf(one.name) === name) ?? []);
  return [...timed.filter(({ name }) => name === OWN), ...fastest].sort((a, b) => a.milliseconds - b.milliseconds);
}
