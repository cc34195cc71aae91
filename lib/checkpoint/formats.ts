// Maps tensor names to optimizer state, in our files, MLX's, node-mlx's and PyTorch's.
import { noteIn } from '../safetensors/metadata';
import { unescapeKey } from '../safetensors/names';
import type { Found } from '../safetensors/trees';
import { calledFrom } from '../caller';
import { checkKeys, rangeError, typeError } from '../errors';
import { type Path, withoutPrefix } from '../tree/paths';
import { checkNumber, HYPERPARAMETER_NAMES, HYPERPARAMETERS, type Hyperparameters } from '../state/hyperparameters';
import { type Contents, type Entry } from '../safetensors/header';
import { type Part, PARTS } from '../state/slot';

/** Another program's format: what `torchState` and `nodeMlxState` return. */
export interface StateFormat {
  readonly format: 'torch' | 'node-mlx';
  readonly step?: number;
  readonly learningRate?: number;
  readonly prefix?: string;
}

/** What PyTorch's momentum buffers do not hold. */
export interface TorchStateOptions {
  /** Completed steps; a schedule continues from there. */
  step: number;
  /** Default: the optimizer's own. */
  learningRate?: number | undefined;
  /** Path above the names: `'state'` in a flattened optimizer state dict. */
  prefix?: string | undefined;
}

/**
 * The state of `torch.optim.SGD`, saved by the names of its parameters: `NAME.momentum_buffer`, for `load`'s option
 * `from`. A buffer is what we call v. PyTorch keeps neither a step nor, in such a file, a learning rate. Tensors below
 * `param_groups` are passed over.
 */
export function torchState(options: TorchStateOptions): StateFormat {
  return calledFrom(torchState, () => {
    const { step, learningRate, prefix } = checkKeys('options', options, ['step', 'learningRate', 'prefix']);
    if (typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0) {
      throw rangeError('invalid-option', 'step', 'a whole number from 0', step);
    }
    if (prefix !== undefined && typeof prefix !== 'string')
      throw typeError('invalid-option', 'prefix', 'a string', prefix);
    return {
      format: 'torch',
      step,
      ...(learningRate !== undefined && { learningRate: checkNumber('learningRate', learningRate) }),
      ...(prefix !== undefined && { prefix }),
    };
  });
}

/** The state of node-mlx's `SGD`, for `load`'s option `from`: as MLX's, with the key `learningRate`. */
export function nodeMlxState(): StateFormat {
  return { format: 'node-mlx' };
}

/** The tensors of a state by what they hold. */
export type PartEntries = Readonly<Record<Part, readonly Found[]>>;

/** A file's tensors by their role. */
export interface StateEntries {
  readonly step: Entry | undefined;
  readonly learningRate: Entry | undefined;
  /** Of MLX's `MultiOptimizer`: those of its optimizers, but for the last, which is the one for all other leaves. */
  readonly groupRates: readonly Entry[] | undefined;
  /** By what they hold. Only our files have more than velocities. */
  readonly parts: PartEntries;
  readonly parameters: readonly Found[];
  /** Names of all other tensors. */
  readonly others: readonly string[];
}

/** A name in the state of MLX's `MultiOptimizer`: the number of an optimizer, and the name in that one's state. */
const OF_MANY = /^states\.(\d{1,3})\.(.+)$/;

/** Sorts an optimizer's tensors. `hasParameters`: names below `parameters` are parameters. */
export function sortEntries(
  contents: Contents,
  isOurs: boolean,
  hasParameters: boolean,
  from: StateFormat | undefined,
): StateEntries {
  const parts: Record<Part, Found[]> = { v: [], master: [], ema: [], accumulated: [] };
  const found = { parts, parameters: [] as Found[], others: [] as string[] };
  const numbers = new Map<string, Entry>();
  const numberNames = from?.format === 'torch' ? [] : ['step', rateName(from)];
  const isMulti = !isOurs && from === undefined && contents.entries.some(({ name }) => name === 'states.0.step');
  const rates: Entry[] = [];
  for (const entry of contents.entries) {
    const ofMany = isMulti ? OF_MANY.exec(entry.name) : null;
    const name = ofMany?.[2] ?? entry.name;
    if (ofMany && name === rateName(from)) rates[Number(ofMany[1])] = entry;
    const parameter = hasParameters && withoutPrefix('parameters', name);
    const held = heldPath(name, from, isOurs);
    if (numberNames.includes(name)) numbers.set(name, entry);
    else if (parameter !== false) found.parameters.push({ path: parameter, entry });
    else if (held === 'passed over') continue;
    else if (held === 'none') found.others.push(name);
    else parts[held.part].push({ path: isOurs && held.path ? unescapeKey(held.path) : held.path, entry });
  }
  // Each optimizer of MLX's has a step, all the same; the last one has the leaves that no filter picks.
  const groupRates = isMulti ? rates.slice(0, -1) : undefined;
  return { ...found, step: numbers.get('step'), learningRate: rates.at(-1) ?? numbers.get(rateName(from)), groupRates };
}

const rateName = (from: StateFormat | undefined): string =>
  from?.format === 'node-mlx' ? 'learningRate' : 'learning_rate';

type HeldPath = { readonly part: Part; readonly path: Path } | 'none' | 'passed over';

function heldPath(name: string, from: StateFormat | undefined, isOurs: boolean): HeldPath {
  const isTorch = from?.format === 'torch';
  if (isTorch && withoutPrefix('param_groups', name) !== false) return 'passed over';
  const inside = isTorch ? withoutPrefix(from.prefix, name) : name;
  if (!inside) return 'none';
  for (const part of isOurs ? PARTS : (['v'] as const)) {
    const last = isTorch ? 'momentum_buffer' : part;
    if (inside === last) return { part, path: undefined };
    if (inside.endsWith(`.${last}`)) return { part, path: inside.slice(0, -last.length - 1) };
  }
  return 'none';
}

/** Our entry for the learning rates of groups: a list in JSON. */
export const GROUP_RATES = 'group_learning_rates';

/** Our entries for the number of arrays of each part. They tell of tensors that a file has lost. */
export const PART_COUNTS: Readonly<Record<Part, string>> = {
  v: 'velocities',
  master: 'masters',
  ema: 'averages',
  accumulated: 'sums',
};

/** Our entry for a dynamic loss scale: `{ scale, growth }` in JSON. */
export const LOSS_SCALE = 'loss_scale';

/** Our entry for the number of gradients in the sums. */
export const ACCUMULATED = 'accumulated';

/** The hyperparameters in a file of ours; `undefined` for another program's file, or where one is missing or wrong. */
export function savedHyperparameters(contents: Contents): Hyperparameters | undefined {
  const entries = HYPERPARAMETER_NAMES.map((name) => {
    const { byDefault, isLate, saved, parse } = HYPERPARAMETERS[name];
    const text = noteIn(contents, saved) ?? (isLate ? String(byDefault) : undefined);
    return [name, text === undefined ? undefined : parse(text)] as const;
  });
  if (entries.some(([, value]) => value === undefined)) return undefined;
  return Object.fromEntries(entries) as unknown as Hyperparameters;
}
