// What a run measures, as groups of cases with those who do them.
import type { Dtype } from 'metal-sgd';
import { type Case, type Contestant, type Rule, RULES, memoryOf } from './contestant';
import type { Baseline } from './contestants/baseline';
import { javascript } from './contestants/javascript';
import { featureContestants } from './contestants/features';
import { metalSgd } from './contestants/package';
import { FITTED_LEAVES, FITTED_SIZES } from './costs';
import { AVERAGES, CHECKED_LEAVES, CLIPPED, FINITE, MASTERS, MEAN } from './features';
import type { Effort } from './measure';
import type { Options, PartName } from './options';
import { fitting, select, type Usage } from './selection';
import { LARGE, type Model, modelNamed, modelOf } from './models';

/** What is measured together, in one memory. */
export interface Group {
  readonly part: PartName;
  readonly cases: readonly Case[];
  readonly contestants: readonly Contestant[];
  readonly effort: Effort;
}

const USAGE: Usage = { layout: 'arena', verb: 'update', device: 'cpu' };
const SIZES = [1e4, 1e5, 1e6, 1e7, 1e8, 5e8];
/** Where filling the arrays takes longer than measuring, memory is taken once. */
const HUGE = 5e7;

const MOMENTUM: Rule = RULES.find(({ name }) => name === 'momentum') ?? RULES[0];

/** Everything that the options ask for, without what doesn't fit in memory. */
export function groupsOf(
  options: Options,
  baseline: Baseline | undefined,
  peers: readonly Contestant[],
  complain: (line: string) => void,
): Group[] {
  const groups = [
    ...(options.parts.includes('models') ? modelGroups(options, baseline, peers) : []),
    ...(options.parts.includes('sizes') ? sizeGroups(options, baseline) : []),
    ...(options.parts.includes('costs') ? costGroups(options, baseline) : []),
    ...(options.parts.includes('features') ? featureGroups(options, baseline, peers) : []),
  ];
  return groups.flatMap((group) => batches(group, peers, complain));
}

function modelGroups(
  { models, asked, offered, against, effort }: Options,
  baseline: Baseline | undefined,
  peers: readonly Contestant[],
): Group[] {
  return select(models, asked, offered).map(({ cases, usages }) => {
    const [{ dtype, model }] = cases;
    const isLarge = cases.every(({ model: { total } }) => total >= LARGE);
    const contestants = [
      ...usages.map(metalSgd),
      ...(baseline && against.includes('c') ? [baseline.loop] : []),
      ...(baseline && against.includes('triad') && isLarge ? [baseline.triad] : []),
      ...(against.includes('javascript') ? [javascript] : []),
      // Most of them have float32 only: the others are for those who ask.
      ...(dtype === 'float32' || asked.dtype ? peers : []),
    ];
    return { part: 'models', cases, contestants, effort: effortFor(model.total, effort) };
  });
}

function sizeGroups({ offered, effort, isSmoke }: Options, baseline: Baseline | undefined): Group[] {
  const sizes = isSmoke ? SIZES.slice(0, 2) : SIZES;
  const contestants = [metalSgd(USAGE), ...(baseline ? [baseline.loop] : [])];
  return sizes.flatMap((size) =>
    offered.threads
      .filter((threads) => size < HUGE || threads === offered.threads[0])
      .map((threads) => ({
        part: 'sizes' as const,
        cases: [{ model: modelOf('leaf', size), dtype: 'float32' as const, rule: MOMENTUM, threads }],
        contestants,
        effort: effortFor(size, effort),
      })),
  );
}

function costGroups({ effort, isSmoke }: Options, baseline: Baseline | undefined): Group[] {
  const [sizes, leaves] = isSmoke ? [FITTED_SIZES.slice(-3), FITTED_LEAVES.slice(0, 3)] : [FITTED_SIZES, FITTED_LEAVES];
  const c = baseline ? [baseline.loop] : [];
  const group = (kind: 'leaf' | 'list', counts: readonly number[], usages: readonly Usage[]): Group => ({
    part: 'costs',
    cases: counts.map((count) => ({ model: modelOf(kind, count), dtype: 'float32', rule: MOMENTUM, threads: 1 })),
    contestants: [...usages.map(metalSgd), ...c],
    effort,
  });
  return [group('leaf', sizes, [USAGE]), group('list', leaves, [USAGE, { ...USAGE, layout: 'shared' }])];
}

/** Large steps with all threads, or as many as were asked for; and one with so many small leaves that checks show. */
function featureGroups(
  { asked, offered, effort, isSmoke }: Options,
  baseline: Baseline | undefined,
  peers: readonly Contestant[],
): Group[] {
  const threads = asked.threads ?? offered.threads.slice(0, 1);
  const list = modelOf('list', CHECKED_LEAVES);
  const group = (model: Model | undefined, dtype: Dtype, rule: Rule, counts: readonly number[]): Group[] =>
    counts.flatMap((count) => {
      if (!model) return [];
      const cases = [{ model, dtype, rule, threads: count }];
      // Accumulating many leaves in turn leaves garbage that the others would pay for.
      const ways = model === list && rule === MEAN ? featureContestants(rule).slice(0, 1) : featureContestants(rule);
      const others = rule === CLIPPED ? peers : []; // what the other features are to others differs
      const contestants = [...ways, ...(baseline ? [baseline.loop] : []), ...others];
      return { part: 'features', cases, contestants, effort: effortFor(model.total, effort) };
    });
  const leaf = modelNamed(isSmoke ? 'leaf-100k' : 'leaf-25.6m');
  return [
    ...group(leaf, 'float32', MEAN, threads),
    ...group(leaf, 'bfloat16', MASTERS, threads),
    ...group(leaf, 'float32', AVERAGES, threads),
    ...group(leaf, 'float32', CLIPPED, threads),
    ...group(leaf, 'float32', FINITE, threads),
    ...group(list, 'float32', MEAN, [1]),
  ];
}

function effortFor(elements: number, effort: Effort): Effort {
  return elements >= HUGE ? { ...effort, openings: 1, rounds: Math.ceil(effort.rounds / 2) } : effort;
}

/** Cases that fit in memory. Where they do without peers only, the peers take turns, each time beside all the others. */
function batches(group: Group, peers: readonly Contestant[], complain: (line: string) => void): Group[] {
  const own = group.contestants.filter((one) => !peers.includes(one));
  const others = group.contestants.filter((one) => peers.includes(one));
  const cases = fitting(group.cases, own.length + (others.length > 0 ? PEER_COPIES : 0), complain);
  if (cases.length === 0) return [];
  const arrays = cases.reduce((sum, given) => sum + memoryOf(given), 0);
  const room = Math.floor((process.availableMemory() * 0.9) / arrays) - own.length;
  const atOnce = Math.max(1, Math.min(others.length, Math.floor(room / PEER_COPIES)));
  const turns = Math.max(1, Math.ceil(others.length / atOnce));
  return Array.from({ length: turns }, (_, turn) => {
    return { ...group, cases, contestants: [...own, ...others.slice(turn * atOnce, (turn + 1) * atOnce)] };
  });
}

/** A peer's arrays and its temporaries, in arrays. */
const PEER_COPIES = 2;
