// Loads an optimizer's state, and its parameters, from the tensors of one file: into the arrays that are there, or new ones.
import { checkFlag, checkKeys, rangeError, typeError } from '../errors';
import { checkSeparate } from '../memory/overlap';
import type { Contents } from '../safetensors/header';
import { isOurs, type Metadata, noteIn, usersMetadata } from '../safetensors/metadata';
import type { Loading } from '../safetensors/read';
import { byPath, fill, refuseDifferences } from '../safetensors/trees';
import type { Slot, Slots } from '../state/slots';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, leafReader } from '../tree/leaf';
import { leavesOf, type Node, readTree } from '../tree/tree';
import type { Tree } from '../tree/types';
import { type SavedHyperparameters, savedHyperparameters, sortEntries, type StateFormat } from './formats';
import { StateNumbers } from './numbers';
import { matchSlots, newSlots } from './slots';

/** How to load a state. */
export interface LoadOptions<P = unknown> {
  /** Parameters whose arrays are filled from the same file. */
  parameters?: (P & Tree<P>) | undefined;
  /** Default true: a file that differs from the optimizer or the parameters in any way is refused. False: what fits is taken. */
  strict?: boolean | undefined;
  /** Whose file it is, where it isn't ours or MLX's: `torchState(...)` or `nodeMlxState()`. */
  from?: StateFormat | undefined;
}

/** What was loaded. */
export interface LoadedState {
  /** What was not taken; empty when `strict`. */
  readonly differences: readonly Difference[];
  /** The strings that were saved with the state. */
  readonly metadata: Metadata;
  /** With which the file was saved. The optimizer keeps its own. `undefined` for other programs' files. */
  readonly hyperparameters: SavedHyperparameters | undefined;
}

/** What the optimizer has to take over by itself. */
export interface LoadedNumbers {
  readonly step: number | undefined;
  readonly learningRate: number | undefined;
  readonly loaded: LoadedState;
}

/** A load whose arguments have been checked. */
export interface LoadRequest {
  readonly slots: Slots;
  readonly parameters: Node<CheckedLeaf> | undefined;
  readonly isStrict: boolean;
  readonly from: StateFormat | undefined;
  /** True if steps use velocities. */
  readonly usesVelocity: boolean;
  /** The slots that there are, and those that the parameters will have. */
  readonly known: readonly Slot[];
  /** Keeps the new ones among them. */
  readonly commit: () => void;
}

/** Checks what a load is asked for. Nothing changes. */
export function checkLoad(options: unknown, slots: Slots, usesVelocity: boolean): LoadRequest {
  const { parameters: tree, strict, from } = checkKeys('options', options, ['parameters', 'strict', 'from']);
  const formats: readonly unknown[] = ['torch', 'node-mlx', undefined];
  if (from !== undefined && (typeof from !== 'object' || !formats.includes((from as StateFormat | null)?.format))) {
    throw typeError('invalid-option', 'from', 'what torchState() or nodeMlxState() returns', from);
  }
  if (from !== undefined && tree !== undefined) {
    throw rangeError('invalid-option', 'parameters', 'none beside `from`: load them by loadTensors', tree);
  }
  const parameters = tree === undefined ? undefined : readTree(tree, 'parameters', leafReader);
  const isStrict = checkFlag('strict', strict, true);
  const grown = parameters ? slots.slotsFor(parameters, 'parameters') : { slots: [], commit: () => undefined };
  const known = [...new Set([...slots.all, ...grown.slots])];
  checkSeparate([...(parameters ? leavesOf(parameters) : []), ...known.flatMap(({ v }) => v ?? [])], []);
  return {
    slots,
    parameters,
    isStrict,
    from: from as StateFormat | undefined,
    usesVelocity,
    known,
    commit: grown.commit,
  };
}

/** Loads a state. Nothing changes until all but the elements is checked; slots get no new arrays until all is read. */
export function* loadState(file: string, contents: Contents, request: LoadRequest): Loading<LoadedNumbers> {
  const { parameters, isStrict, from } = request;
  const ours = isOurs(file, contents);
  const entries = sortEntries(contents, ours, ours || parameters !== undefined, from);
  const numbers = new StateNumbers(file, contents, entries, from);
  const isNew = request.slots.isEmpty && !parameters;
  const velocities = isNew
    ? newSlots(file, entries.velocities, noteIn(contents, 'state'), request.slots)
    : matchSlots(file, entries.velocities, request.known, !ours && request.usesVelocity);
  const filling = parameters && fill(byPath(file, entries.parameters), leavesOf(parameters), 'parameters');
  const others = entries.others.map((path): Difference => ({ path, kind: 'extra' }));
  const differences = [numbers, velocities, ...(filling ? [filling] : [])].flatMap((one) => one.differences);
  differences.push(...others);

  yield numbers.reads;
  numbers.check();
  if (isStrict) refuseDifferences(file, differences);
  const { reads, commit } = velocities.place();
  yield [...reads, ...(filling?.reads ?? [])];

  commit();
  request.commit();
  const hyperparameters = ours ? savedHyperparameters(contents) : undefined;
  const loaded = { differences, metadata: usersMetadata(contents), hyperparameters };
  return { step: numbers.step, learningRate: numbers.learningRate, loaded };
}
