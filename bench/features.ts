// What steps can do beside the update rule, as rules of the suite; and what it is to cost.
import { type Rule, RULES } from './contestant';
import type { Measurement } from './measure';
import { atLeast, atMost, type Goal, type Judged, type Metric, worstMetric } from './metrics';
import { pairedDifferences, pairedRatios, type Sample, summarize } from './statistics';
import { isPeer, sampled } from './table';

const MOMENTUM: Rule = RULES.find(({ name }) => name === 'momentum') ?? RULES[0];

export const MEAN: Rule = { ...MOMENTUM, name: 'mean of 4', gradients: 4 };
export const MASTERS: Rule = { ...MOMENTUM, name: 'masters', masters: true };
export const AVERAGES: Rule = { ...MOMENTUM, name: 'averages', emaDecay: 0.999 };
/** The norm of all gradients is 2.8 for 100,000 elements, 45 for 25.6 M. */
export const CLIPPED: Rule = { ...MOMENTUM, name: 'clipped', maxNorm: 1 };
export const FINITE: Rule = { ...MOMENTUM, name: 'finite test', nonFinite: 'skip' };

const FEATURES: readonly Rule[] = [MEAN, MASTERS, AVERAGES, CLIPPED, FINITE];

/** True for the rules of this file. */
export const isFeature = ({ name }: Rule): boolean => FEATURES.some((one) => one.name === name);

const OWN = 'metal-sgd';
/** Small leaves, as many as ResNet-50 has: beside them the checks of the trees show. */
export const CHECKED_LEAVES = 161;

/** The goals of those features that were measured. */
export function featureMetrics(measurements: readonly Measurement[]): Metric[] {
  const judge = (name: string, goal: Goal, unit: string, value: (one: Measurement) => number | undefined): Metric[] => {
    const judged = measurements.flatMap((one): Judged[] => {
      const found = value(one);
      return found === undefined ? [] : [{ given: one.given, value: found }];
    });
    return worstMetric({ part: 'goals', name, unit, goal }, judged);
  };
  const isLarge = ({ given: { model } }: Measurement): boolean => !model.name.startsWith('list');
  const speed = (rule: Rule, goal: number): Metric[] =>
    judge(`${rule.name}, speed relative to C`, atLeast(goal), '', (one) =>
      one.given.rule.name === rule.name && isLarge(one) ? compared(pairedRatios, one, 'C', OWN) : undefined,
    );
  return [
    ...speed(MEAN, 0.95),
    ...speed(MASTERS, 0.9),
    ...speed(AVERAGES, 0.9),
    ...speed(CLIPPED, 0.95),
    ...judge(`${CLIPPED.name}, speed relative to the fastest peer`, atLeast(1.8), '', (one) =>
      one.given.rule.name === CLIPPED.name ? overFastestPeer(one) : undefined,
    ),
    ...judge('mean of 4 made anew, update above C, per leaf and tree of five', atMost(20), 'ns', (one) => {
      const { model, rule } = one.given;
      if (rule.name !== MEAN.name || isLarge(one)) return undefined;
      const above = compared(pairedDifferences, one, OWN, 'C');
      const trees = 1 + (rule.gradients ?? 1); // the parameters' too
      return above === undefined ? undefined : above / model.counts.length / trees;
    }),
  ];
}

/** The speed relative to the fastest other package that computed the same. */
function overFastestPeer(measurement: Measurement): number | undefined {
  const peers = measurement.series.filter(({ contestant, agrees }) => isPeer(contestant) && agrees);
  const speeds = peers.flatMap(({ contestant }) => compared(pairedRatios, measurement, contestant, OWN) ?? []);
  return speeds.length > 0 ? Math.min(...speeds) : undefined;
}

/** The median over the pairs of samples of two contestants. */
function compared(
  compare: (above: readonly Sample[], below: readonly Sample[]) => number[],
  { series }: Measurement,
  above: string,
  below: string,
): number | undefined {
  const [one, other] = [sampled(series, above), sampled(series, below)];
  const found = one && other ? compare(one.samples, other.samples) : [];
  return found.length > 0 ? summarize(found).median : undefined;
}
