// Options for what stands around the rule, of the optimizer as a whole: one table.
import { rangeError, typeError } from '../errors';

/** Options of `SGD` that can be assigned as properties too. */
export interface SGDAround {
  /** The largest magnitude of an element of the gradient: larger ones become it. Above 0; default `undefined`: any. */
  clipValue: number | undefined;
  /** The decay d of the moving average of parameters, from 0 to 1; default `undefined`: none, and averages rest. */
  emaDecay: number | undefined;
  /** `'torch'`: a velocity that a step makes is its gradient, undampened. Default `'mlx'`: it begins at zero. */
  firstStep: 'mlx' | 'torch';
}

interface Row<T> {
  readonly byDefault: T;
  /** Throws for a wrong value. */
  readonly check: (name: string, value: unknown) => T;
}

const AROUND: { readonly [K in keyof SGDAround]: Row<SGDAround[K]> } = {
  clipValue: { byDefault: undefined, check: optional('a number above 0', (value) => Math.fround(value) > 0) },
  emaDecay: { byDefault: undefined, check: optional('a number from 0 to 1', (value) => value >= 0 && value <= 1) },
  firstStep: { byDefault: 'mlx', check: checkFirstStep },
};

export type AroundName = keyof SGDAround;
export const AROUND_NAMES = Object.keys(AROUND) as readonly AroundName[];

function optional(expected: string, isRight: (value: number) => boolean): Row<number | undefined>['check'] {
  return (name, value) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw typeError('invalid-option', name, expected, value);
    if (!Number.isFinite(Math.fround(value)) || !isRight(value))
      throw rangeError('invalid-option', name, expected, value);
    return value;
  };
}

function checkFirstStep(name: string, value: unknown): SGDAround['firstStep'] {
  if (value !== 'mlx' && value !== 'torch') throw rangeError('invalid-option', name, 'mlx, torch', value);
  return value;
}

/** `all` with another value for one of them. */
export function withAround(all: Readonly<SGDAround>, name: AroundName, value: unknown): SGDAround {
  return { ...all, [name]: AROUND[name].check(name, value) };
}

/** The options among `given`, with the defaults of the others. */
export function checkAround(given: Readonly<Partial<Record<AroundName, unknown>>>): SGDAround {
  const defaults = Object.fromEntries(AROUND_NAMES.map((name) => [name, AROUND[name].byDefault]));
  const names = AROUND_NAMES.filter((name) => given[name] !== undefined);
  return names.reduce((all, name) => withAround(all, name, given[name]), defaults as unknown as SGDAround);
}
