// What the package is to reach (speeds relative to others in the same run, medians), and what it did.
import type { Case } from './contestant';
import { featureMetrics, isFeature } from './features';
import type { Measurement, Series } from './measure';
import { atLeast, atMost, type Judged, type Metric, worstMetric } from './metrics';
import { pairedDifferences, pairedRatios, type Sample, summarize } from './statistics';
import { isPeer, sampled } from './table';

const PART = 'goals';
const OWN = 'metal-sgd';
const MICROSECOND = 1000;

/** One metric, the worst case's, for each goal that this run can tell something about. */
export function goalMetrics(measurements: readonly Measurement[]): Metric[] {
  const judge = (value: (measurement: Measurement) => number | undefined): Judged[] =>
    measurements.flatMap((measurement) => {
      const found = value(measurement);
      return found === undefined ? [] : [{ given: measurement.given, value: found }];
    });
  const speed = (name: string, goal: number, applies: (given: Case) => boolean): Metric[] =>
    worstMetric(
      { part: PART, name, unit: '', goal: atLeast(goal) },
      judge((measurement) => (applies(measurement.given) ? speedOver(measurement, 'C') : undefined)),
    );
  const leaves = (contestant: string, goal: number): Metric[] =>
    worstMetric(
      { part: PART, name: `161 leaves, speed relative to one leaf, ${contestant}`, unit: '', goal: atLeast(goal) },
      judge((measurement) => speedOverOneLeaf(measurement, measurements, contestant)),
    );
  const isBig = ({ model, rule }: Case): boolean => model.name === 'leaf-25.6m' && rule.name === 'momentum';
  return [
    ...speed('25.6 M float32, speed relative to C', 0.97, (given) => isBig(given) && given.dtype === 'float32'),
    ...speed(
      '25.6 M of 16 bits, speed relative to C',
      0.95,
      (given) => isBig(given) && given.dtype.endsWith('float16'),
    ),
    ...leaves(OWN, 0.98),
    ...leaves(`${OWN} shared`, 0.95),
    ...leaves(`${OWN} plain`, 0.95),
    ...worstMetric(
      { part: PART, name: 'perceptron, update above C', unit: 'us', goal: atMost(2) },
      judge((measurement) => (isFloat(measurement, 'mlp') ? aboveC(measurement) : undefined)),
    ),
    ...worstMetric(
      { part: PART, name: '1,000 elements, whole update', unit: 'us', goal: atMost(1) },
      judge((measurement) => (isFloat(measurement, 'leaf-1000') ? timeOf(measurement, MICROSECOND) : undefined)),
    ),
    ...worstMetric(
      { part: PART, name: '100,000 leaves of 64 in a list, per leaf', unit: 'ns', goal: atMost(60) },
      judge((measurement) => (isFloat(measurement, 'list-100k') ? timeOf(measurement, 100_000) : undefined)),
    ),
    ...speed(
      'sizes from 10,000 on, speed relative to C',
      0.95,
      (given) =>
        given.model.name.startsWith('leaf-') && given.model.total >= 10_000 && !isBig(given) && !isFeature(given.rule),
    ),
    ...featureMetrics(measurements),
    ...peerMetrics(measurements),
  ];
}

/** The speed of the fastest other package, with noise on its side: its upper quartile must not be above ours. */
function peerMetrics(measurements: readonly Measurement[]): Metric[] {
  const judged = measurements.flatMap(({ given, series }) => {
    const own = sampled(series, OWN);
    const peers = series.filter(
      ({ contestant, samples, agrees }) => isPeer(contestant) && agrees && samples.some((one) => one !== null),
    );
    return peers.flatMap(({ contestant, samples }) => {
      const speeds = own ? pairedRatios(own.samples, samples) : [];
      return speeds.length === 0 ? [] : [{ contestant, given, value: summarize(speeds).low }];
    });
  });
  const [fastest] = judged.sort((a, b) => b.value - a.value);
  const name = 'fastest peer, speed relative to metal-sgd (lower quartile)';
  return judged.length === 0
    ? []
    : worstMetric({ part: PART, name: `${name}, ${fastest.contestant}`, unit: '', goal: atMost(1) }, [fastest]);
}

const isFloat = ({ given }: Measurement, model: string): boolean =>
  given.model.name === model && given.dtype === 'float32' && given.rule.name === 'momentum';

function speedOver({ series }: Measurement, other: string): number | undefined {
  return medianOf(pairedRatios, sampled(series, other), sampled(series, OWN));
}

function aboveC({ series }: Measurement): number | undefined {
  const nanoseconds = medianOf(pairedDifferences, sampled(series, OWN), sampled(series, 'C'));
  return nanoseconds === undefined ? undefined : nanoseconds / MICROSECOND;
}

function timeOf({ series }: Measurement, divisor: number): number | undefined {
  const own = sampled(series, OWN);
  return own && summarize(own.samples).median / divisor;
}

/** One leaf has as many elements, and was measured in turn. */
function speedOverOneLeaf(
  { given, series }: Measurement,
  all: readonly Measurement[],
  contestant: string,
): number | undefined {
  if (given.model.name !== 'resnet50') return undefined;
  const whole = all.find(
    ({ given: { model, dtype, rule, threads } }) =>
      model.name === 'leaf-25.6m' && dtype === given.dtype && rule === given.rule && threads === given.threads,
  );
  return medianOf(pairedRatios, whole && sampled(whole.series, OWN), sampled(series, contestant));
}

function medianOf(
  compare: (above: readonly Sample[], below: readonly Sample[]) => number[],
  above: Series | undefined,
  below: Series | undefined,
): number | undefined {
  const found = above && below ? compare(above.samples, below.samples) : [];
  return found.length > 0 ? summarize(found).median : undefined;
}
