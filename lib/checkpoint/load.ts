// An optimizer's state, and its parameters, from the tensors of one file: into the arrays that are there, or new ones.
import { type SavedHyperparameters, savedHyperparameters, sortEntries, type StateFormat } from './formats';
import { isOurs, type Metadata, noteIn, usersMetadata } from '../safetensors/metadata';
import { pathIn } from '../safetensors/names';
import { checkFlag, checkKeys } from '../safetensors/options';
import type { Loading } from '../safetensors/read';
import { StateNumbers } from './numbers';
import { type Known, KnownSlots, NewSlots } from './slots';
import { byPath, type Difference, fill, refuseDifferences } from '../safetensors/trees';
import { rangeError, typeError } from '../errors';
import type { CheckedLeaf } from '../tree/leaf';
import { leafReader } from '../memory/zeros';
import { checkSeparate } from '../memory/overlap';
import type { Contents } from '../safetensors/header';
import { leavesOf, type Node, readTree } from '../tree/tree';
import type { Tree } from '../tree/types';
import type { Velocities } from '../state/slots';

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

interface Options {
  readonly parameters: Node<CheckedLeaf> | undefined;
  readonly isStrict: boolean;
  readonly from: StateFormat | undefined;
}

function checkLoadOptions(options: unknown): Options {
  const { parameters, strict, from } = checkKeys('options', options, ['parameters', 'strict', 'from']);
  const formats: readonly unknown[] = ['torch', 'node-mlx', undefined];
  if (from !== undefined && (typeof from !== 'object' || !formats.includes((from as StateFormat | null)?.format))) {
    throw typeError('invalid-option', 'from', 'what torchState() or nodeMlxState() returns', from);
  }
  if (from !== undefined && parameters !== undefined) {
    throw rangeError('invalid-option', 'parameters', 'none beside `from`: load them by loadTensors', parameters);
  }
  return {
    parameters: parameters === undefined ? undefined : readTree(parameters, 'parameters', leafReader),
    isStrict: checkFlag('strict', strict, true),
    from: from as StateFormat | undefined,
  };
}

/** How `velocities` are loaded. Nothing changes until all is checked; `velocities` get no new arrays until all is read. */
export function stateLoader(
  file: string,
  options: unknown,
  velocities: Velocities,
  momentum: number,
): (contents: Contents) => Loading<LoadedNumbers> {
  const checked = checkLoadOptions(options);
  const { parameters, from } = checked;
  const known = knownSlots(velocities, parameters);
  const arrays = [...known.slots.values()].flatMap(({ v }) => v ?? []);
  checkSeparate([...(parameters ? leavesOf(parameters) : []), ...arrays], []);
  return (contents) => {
    const ours = isOurs(file, contents);
    const entries = sortEntries(contents, ours, ours || parameters !== undefined, from);
    const numbers = new StateNumbers(file, contents, entries, from);
    const state =
      velocities.isEmpty && !parameters
        ? new NewSlots(file, entries.velocities, noteIn(contents, 'state'), velocities)
        : new KnownSlots(file, entries.velocities, known, !ours && momentum > 0);
    const filling = parameters && fill(byPath(file, entries.parameters), leavesOf(parameters), 'parameters');
    const differences = [...numbers.differences, ...state.differences, ...(filling?.differences ?? [])];
    differences.push(...entries.others.map((path): Difference => ({ path, kind: 'extra' })));
    return {
      numbers: numbers.reads,
      plan: () => {
        numbers.check();
        if (checked.isStrict) refuseDifferences(file, differences);
        return [...state.reads(), ...(filling?.reads ?? [])];
      },
      commit: () => {
        state.commit();
        const hyperparameters = ours ? savedHyperparameters(contents) : undefined;
        const loaded = { differences, metadata: usersMetadata(contents), hyperparameters };
        return { step: numbers.step, learningRate: numbers.learningRate, loaded };
      },
    };
  };
}

/** The slots that there are, and those that the parameters will have. */
function knownSlots(velocities: Velocities, parameters: Node<CheckedLeaf> | undefined): Known {
  const slots = new Map(leavesOf(velocities.toTree()).map(({ path = '', slot }) => [path, slot]));
  if (!parameters) return { slots, keep: () => undefined };
  const grown = velocities.slotsFor(parameters, 'parameters');
  leavesOf(parameters).forEach(({ name }, i) => slots.set(pathIn('parameters', name) ?? '', grown.slots[i]));
  return { slots, keep: grown.keep };
}
