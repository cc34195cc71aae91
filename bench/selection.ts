// From options to cases. What is unknown, or doesn't fit in memory, is told in a line and left out.
import type { DeviceChoice, Dtype } from 'metal-sgd';
import { type Case, ITEM_SIZES, labelOf, memoryOf, type Rule, RULES } from './contestant';
import { type Group, type Model, modelNamed, MODELS } from './models';

/** How the package is used: there is one contestant for each. */
export interface Usage {
  readonly layout: (typeof LAYOUTS)[number];
  readonly verb: (typeof VERBS)[number];
  readonly device: DeviceChoice;
}

/** One arena for the whole tree, a shared buffer for each leaf, or an ordinary array for each. */
export const LAYOUTS = ['arena', 'shared', 'plain'] as const;
export const VERBS = ['update', 'updateAsync', 'applyGradients'] as const;
export const DEVICES: readonly DeviceChoice[] = ['cpu', 'gpu', 'auto'];
export const DTYPES = Object.keys(ITEM_SIZES) as readonly Dtype[];

export interface Axes extends Usage {
  readonly dtype: Dtype;
  readonly rule: Rule;
  readonly threads: number;
}

/** Values along each axis, the first being where the other axes vary; undefined where nobody asked. */
export type Asked = { readonly [K in keyof Axes]: readonly Axes[K][] | undefined };
/** What each axis has to offer, the same way round. */
export type Offered = { readonly [K in keyof Axes]: readonly Axes[K][] };

/** Cases that are measured together, each by the package in all of these usages. */
export interface Selected {
  readonly cases: readonly Case[];
  readonly usages: readonly Usage[];
}

/** Along which axes a group varies unless asked: the large models would take most of an hour. */
const VARIES: Readonly<Record<Group, readonly (keyof Axes)[]>> = {
  large: ['dtype', 'rule', 'threads', 'layout', 'verb', 'device'],
  small: ['dtype', 'rule', 'threads', 'layout', 'verb', 'device'],
  list: ['layout', 'device'],
  gpt2: ['device'],
};

/** Axes that were asked for are crossed with each other; of the others one at a time leaves its first value. */
export function select(models: readonly Model[], asked: Asked, offered: Offered): Selected[] {
  return [...new Set(models.map(({ group }) => group))].flatMap((group) => {
    const together = models.filter((model) => model.group === group);
    const names = (Object.keys(asked) as (keyof Axes)[]).filter((name) => asked[name]);
    const crossed = names.reduce<Axes[]>((points, name) => spread(points, name, asked[name] ?? []), [baseOf(offered)]);
    const others = VARIES[group].filter((name) => !asked[name]);
    const points = crossed.flatMap((point) => [point, ...others.flatMap((name) => moved(point, name, offered[name]))]);
    return group === 'small' || group === 'large'
      ? gather(points, together)
      : together.flatMap((model) => gather(points, [model]));
  });
}

const baseOf = (offered: Offered): Axes => ({
  dtype: offered.dtype[0],
  rule: offered.rule[0],
  threads: offered.threads[0],
  layout: offered.layout[0],
  verb: offered.verb[0],
  device: offered.device[0],
});

const spread = (points: readonly Axes[], name: keyof Axes, values: readonly unknown[]): Axes[] =>
  points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));

function moved(point: Axes, name: keyof Axes, values: readonly unknown[]): Axes[] {
  const others = values.filter((value) => value !== point[name]);
  return spread([point], name, others);
}

/** Usages of the same dtype, rule and threads are measured side by side. */
function gather(points: readonly Axes[], models: readonly Model[]): Selected[] {
  const all = new Map<string, { cases: Case[]; usages: Usage[] }>();
  for (const { dtype, rule, threads, layout, verb, device } of points) {
    const key = [dtype, rule.name, threads].join();
    const cases = models.map((model): Case => ({ model, dtype, rule, threads }));
    const selected = all.get(key) ?? { cases, usages: [] };
    const isNew = !selected.usages.some((one) => usageName(one) === usageName({ layout, verb, device }));
    if (isNew) selected.usages.push({ layout, verb, device });
    all.set(key, selected);
  }
  return [...all.values()];
}

/** `metal-sgd` for what a user writes first, else what differs from it. */
export function usageName({ layout, verb, device }: Usage): string {
  const differs: string[] = [...(layout === 'arena' ? [] : [layout]), ...(verb === 'update' ? [] : [verb])];
  if (device !== 'cpu') differs.push(device);
  return differs.length > 0 ? `metal-sgd ${differs.join(' ')}` : 'metal-sgd';
}

/** Models by their names. */
export function modelsNamed(names: readonly string[], complain: (line: string) => void): Model[] {
  return names.flatMap((name) => {
    const model = modelNamed(name);
    if (!model) {
      const all = MODELS.map((one) => one.name).join(', ');
      complain(
        `unknown model '${name}' is left out: known are ${all}, and names such as leaf-10k or, up to list-10m, list-500`,
      );
    }
    return model ?? [];
  });
}

/** Those of the names that there are; one line for each of the others. */
export function known<T extends string>(
  asked: readonly string[],
  all: readonly T[],
  what: string,
  complain: (line: string) => void,
): T[] {
  return asked.flatMap((name) => {
    const found = all.find((one) => one === name);
    if (found === undefined) complain(`unknown ${what} '${name}' is left out: known are ${all.join(', ')}`);
    return found ?? [];
  });
}

/** Rules by their names. */
export function rulesNamed(names: readonly string[], complain: (line: string) => void): Rule[] {
  const all = RULES.map(({ name }) => name);
  return known(names, all, 'rule', complain).flatMap((name) => RULES.filter((rule) => rule.name === name));
}

/** The cases of a group that fit in memory together, for so many contestants. */
export function fitting(
  cases: readonly Case[],
  contestants: number,
  complain: (line: string) => void,
  available = process.availableMemory(),
): Case[] {
  let free = available * 0.9;
  return cases.filter((given) => {
    const needed = memoryOf(given) * contestants;
    const fits = needed <= free;
    if (fits) free -= needed;
    else complain(`${labelOf(given)} is left out: it needs ${gigabytes(needed)}, and ${gigabytes(free)} are free`);
    return fits;
  });
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
