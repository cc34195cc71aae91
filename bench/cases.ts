// From options to cases: what is unknown or doesn't fit is told in a line and left out.
import type { Dtype } from 'metal-sgd';
import { type Case, ITEM_SIZES, labelOf, memoryOf, type Rule, RULES } from './contestant';
import { WORKS } from './works';

export interface Choice {
  readonly works: readonly string[];
  readonly dtypes: readonly string[];
  readonly threads: readonly number[];
}

/** Cases that are measured in turn with each other, in groups. */
export function groupsOf({ works, dtypes, threads }: Choice, complain: (line: string) => void): Case[][] {
  const chosen = known(
    works,
    WORKS.map(({ name }) => name),
    'work',
    complain,
  );
  const types = known(dtypes, Object.keys(ITEM_SIZES), 'dtype', complain) as Dtype[];
  const selected = WORKS.filter(({ name }) => chosen.includes(name));
  const groups = (['large', 'small'] as const).map((one) => selected.filter(({ group }) => group === one));
  return groups
    .flatMap((group) => {
      const make = (dtype: Dtype, rule: Rule, count: number): Case[] =>
        group.map((work) => ({ work, dtype, rule, threads: count }));
      return types.flatMap((dtype) => RULES.flatMap((rule) => threads.map((count) => make(dtype, rule, count))));
    })
    .filter((cases) => cases.length > 0);
}

/** Those of the names that there are; one line for each of the others. */
export function known(
  asked: readonly string[],
  all: readonly string[],
  what: string,
  complain: (line: string) => void,
): string[] {
  for (const name of asked) {
    if (!all.includes(name)) complain(`unknown ${what} '${name}' is left out: known are ${all.join(', ')}`);
  }
  return asked.filter((name) => all.includes(name));
}

/** The cases of a group that fit in memory together, for so many contestants. */
export function fitting(cases: readonly Case[], contestants: number, complain: (line: string) => void): Case[] {
  let free = process.availableMemory() * 0.9;
  return cases.filter((given) => {
    const needed = memoryOf(given) * contestants;
    const fits = needed <= free;
    if (fits) free -= needed;
    else complain(`${labelOf(given)} is left out: it needs ${gigabytes(needed)}, and ${gigabytes(free)} are free`);
    return fits;
  });
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
