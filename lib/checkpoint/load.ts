// Loads an optimizer's state, and its parameters, from the tensors of one file: into the arrays that are there, or new ones.
import { checkFlag, checkKeys, rangeError, typeError } from '../errors';
import { checkLeavesFree, footprintOf, useForFile } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import type { Contents } from '../safetensors/header';
import { isOurs, type Metadata, noteIn, usersMetadata } from '../safetensors/metadata';
import { checkBytes, checkPath } from '../safetensors/options';
import { loadBytes, loadFile, type Loading } from '../safetensors/read';
import { byPath, fill, refuseDifferences, SAME_TREE } from '../safetensors/trees';
import { type Part, PARTS, type Slot } from '../state/slot';
import type { SGDHyperparameters } from '../state/hyperparameters';
import type { State } from '../state/state';
import type { Difference } from '../tree/compare';
import { type CheckedLeaf, leafReader } from '../tree/leaf';
import { leavesOf, type Node, readTree } from '../tree/tree';
import type { Tree } from '../tree/types';
import { PART_COUNTS, savedHyperparameters, sortEntries, type StateEntries, type StateFormat } from './formats';
import { StateNumbers } from './numbers';
import { matchSlots, newSlots } from './slots';

/** What a load into an optimizer without a tree expects. */
const ANY_STATE = 'expected the state of an optimizer, received differences from one (`strict: false` loads what fits)';

const NO_STATE =
  'expected the state of an optimizer, received a file without one; for parameters alone use loadTensors';

/** True for any part of a state. */
function hasState({ step, learningRate, parts }: StateEntries): boolean {
  return step !== undefined || learningRate !== undefined || parts.v.length > 0;
}

/** Options of `load`. */
export interface LoadOptions<P = unknown> {
  /** Parameters to fill from the same file, in place. */
  parameters?: (P & Tree<P>) | undefined;
  /** Default true: throws if the file differs from the optimizer or the parameters. False: loads what fits. */
  strict?: boolean | undefined;
  /** The format of another program's file: `torchState(...)` or `nodeMlxState()`. Default: ours or MLX's. */
  from?: StateFormat | undefined;
}

/** The result of `load`. */
export interface LoadedState {
  /** What was not loaded; empty when `strict`. */
  readonly differences: readonly Difference[];
  /** The strings that were saved with the state. */
  readonly metadata: Metadata;
  /** Those the file was saved with; the optimizer keeps its own. `undefined` for other programs' files. */
  readonly hyperparameters: Readonly<SGDHyperparameters> | undefined;
}

/** A file that is looked for once the optimizer is held. */
export class Search {
  /** Finds the path, or `undefined`. The file can be removed before it is opened; then `find` is asked again. */
  readonly find: () => Promise<string | undefined>;

  constructor(find: () => Promise<string | undefined>) {
    this.find = find;
  }
}

/** A load whose arguments have been checked. */
export interface LoadRequest {
  /** Its path, or 'bytes'; for messages. */
  readonly file: string;
  readonly search: Search | undefined;
  readonly state: State;
  readonly parameters: Node<CheckedLeaf> | undefined;
  readonly isStrict: boolean;
  readonly from: StateFormat | undefined;
  /** The slots that there are, and those that the parameters will have. */
  readonly known: readonly Slot[];
  /** The arrays that there are. */
  readonly written: readonly CheckedLeaf[];
  /** Keeps the new ones among them. */
  readonly commit: () => void;
}

/** Checks what a load is asked for: a path, or a `Search`. Nothing changes. */
export function checkLoad(path: unknown, options: unknown, state: State): LoadRequest {
  const search = path instanceof Search ? path : undefined;
  const file = search ? '' : checkPath(path);
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
  const { slots } = state;
  const grown = parameters ? slots.slotsFor(parameters, 'parameters') : { slots: [], commit: () => undefined };
  const paths = new Set(grown.slots.map(({ path }) => path));
  const known = [...slots.all.filter(({ path }) => !paths.has(path)), ...grown.slots];
  const written = [
    ...(parameters ? leavesOf(parameters) : []),
    ...known.flatMap((slot) => PARTS.flatMap((part) => slot.get(part) ?? [])),
  ];
  checkSeparate(written, []);
  const { commit } = grown;
  return { file, search, state, parameters, isStrict, from: from as StateFormat | undefined, known, written, commit };
}

/** How often a file is looked for that is gone once it is opened. */
const SEARCHES = 100;

/** Loads a state from a file; `undefined` if a search finds none. */
export function loadState(request: LoadRequest): Promise<LoadedState | undefined> {
  return useForFile('a load', footprintOf(request.written, 'written'), () => findAndLoad(request));
}

async function findAndLoad(request: LoadRequest): Promise<LoadedState | undefined> {
  const { search } = request;
  if (!search) return loadFile(request.file, (contents) => load(contents, request));
  for (let searches = 1; ; searches++) {
    const file = await search.find();
    if (file === undefined) return undefined;
    try {
      return await loadFile(file, (contents) => load(contents, { ...request, file }));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT' || searches === SEARCHES) throw error;
    }
  }
}

/** Loads a state from bytes in memory. */
export function loadStateBytes(bytes: unknown, request: LoadRequest): LoadedState {
  checkLeavesFree(request.written, 'written');
  return loadBytes(request.file, checkBytes(bytes), (contents) => load(contents, request));
}

/** What a file differs in that has lost velocities which no slot tells the names of. */
const LOST: Difference = { path: 'state.parameters', kind: 'missing' };

/** The parts of which our file has lost arrays. */
function lostParts(contents: Contents, { parts }: StateEntries): readonly Part[] {
  return PARTS.filter((part) => parts[part].length < Number(noteIn(contents, PART_COUNTS[part]) ?? 0));
}

/** True if another program's file has no velocity at all, though an optimizer such as this one makes some. */
function isBare({ parts }: StateEntries, { known, state }: LoadRequest): boolean {
  return parts.v.length === 0 && known.length > 0 && state.usesVelocity.includes(true);
}

/** Loads a state. Nothing changes until all but the elements is checked; slots get no new arrays until all is read. */
function* load(contents: Contents, request: LoadRequest): Loading<LoadedState> {
  const { file, state, parameters, isStrict, from } = request;
  const ours = isOurs(file, contents);
  const entries = sortEntries(contents, ours, ours || parameters !== undefined, from);
  const numbers = new StateNumbers(file, contents, entries, from);
  numbers.compareGroups(state.groups.count);
  numbers.compareLossScale(state.lossScale !== undefined);
  const isNew = state.slots.isEmpty && !parameters;
  const lostAny = ours ? lostParts(contents, entries) : isBare(entries, request) ? (['v'] as const) : [];
  const { keeps } = state;
  const slots = isNew
    ? newSlots(file, entries.parts, noteIn(contents, 'state'), state.slots, keeps)
    : matchSlots(file, entries.parts, request.known, { keeps, lost: lostAny });
  const filling = parameters && fill(byPath(file, entries.parameters), leavesOf(parameters), 'parameters');
  const others = entries.others.map((path): Difference => ({ path, kind: 'extra' }));
  const isUnnamed = lostAny.length > 0 && (isNew || slots.differences.length === 0);
  const lost = { differences: isUnnamed ? [LOST] : [] };
  const differences = [numbers, lost, slots, ...(filling ? [filling] : [])].flatMap((one) => one.differences);
  differences.push(...others);
  if (from?.prefix !== undefined && entries.parts.v.length === 0) {
    differences.push({ path: from.prefix, kind: 'missing' });
  }

  yield numbers.reads;
  numbers.check();
  if (isStrict) refuseDifferences(file, differences, hasState(entries) ? (isNew ? ANY_STATE : SAME_TREE) : NO_STATE);
  const { reads, commit } = slots.place();
  yield [...reads, ...(filling?.reads ?? [])];

  commit();
  request.commit();
  const noneFits = entries.parts.accumulated.length > 0 && !state.slots.all.some(({ isSummed }) => isSummed);
  state.accumulated.restore(noneFits ? 0 : numbers.accumulated, state.slots.all);
  state.progress.restore(numbers.step, numbers.learningRate);
  state.lossScale?.restore(numbers.lossScale);
  if (numbers.groupRates?.length === state.groups.count) state.groups.restoreRates(numbers.groupRates);
  const hyperparameters = ours ? savedHyperparameters(contents) : undefined;
  return { differences, metadata: usersMetadata(contents), hyperparameters };
}
