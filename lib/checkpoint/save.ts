// Saves an optimizer's state, and its parameters beside it, as the tensors of one file.
import { checkFlag, checkKeys } from '../errors';
import { checkLeavesFree, type Footprint, footprintOf } from '../memory/inUse';
import { checkSeparate } from '../memory/overlap';
import { copiesOf } from '../memory/zeros';
import { type Item, layOut, type Piece } from '../safetensors/header';
import { checkMetadata, type Metadata, metadataOf } from '../safetensors/metadata';
import { escapeKey, noteName } from '../safetensors/names';
import { type Bytes, checkPath } from '../safetensors/options';
import { itemOf, noteFor } from '../safetensors/trees';
import { ACCUMULATED, GROUP_RATES, LOSS_SCALE, PART_COUNTS } from './formats';
import { joinPieces, writeWhole } from '../safetensors/write';
import { HYPERPARAMETER_NAMES, HYPERPARAMETERS } from '../state/hyperparameters';
import type { Progress } from '../state/progress';
import { type Part, PARTS, type Slot } from '../state/slot';
import { mapSlots } from '../state/slots';
import type { State } from '../state/state';
import { isShown } from '../state/stateTree';
import { type CheckedLeaf, checkLeaf, leafReader } from '../tree/leaf';
import { type Path, pathIn, prefixed, withoutPrefix } from '../tree/paths';
import { EMPTY, leafNode, leavesOf, type Node, readTree } from '../tree/tree';
import type { FileUrl, Tree } from '../tree/types';

/** Options of `save`. */
export interface SaveOptions<P = unknown> {
  /** Parameters to save in the same file. */
  parameters?: (P & Tree<P>) | undefined;
  /** Strings to save in the same file. */
  metadata?: Metadata | undefined;
  /**
   * True: copies all arrays first, and the optimizer continues while the copy is written. Default false: copies nothing,
   * and the steps of `updateAsync` wait until the file is whole.
   */
  snapshot?: boolean | undefined;
}

/** A path, or a function of the number of completed steps that returns one. */
export type SavePath = string | FileUrl | ((step: number) => string | FileUrl);

/** A leaf and its name in the file. */
interface Named {
  readonly name: string;
  readonly leaf: CheckedLeaf;
}

/** A save whose arguments have been checked. */
export class Save {
  readonly isSnapshot: boolean;
  readonly #held: readonly { readonly part: Part; readonly slot: Slot; readonly leaf: CheckedLeaf }[];
  readonly #tree: Node<CheckedLeaf> | undefined;
  #named: readonly Named[] = [];
  #notes: Readonly<Record<string, string | undefined>> = {};
  readonly #metadata: Metadata;
  readonly #path: (step: number) => unknown;
  readonly #state: State;

  constructor(path: unknown, options: unknown, state: State) {
    this.#state = state;
    const { slots } = state;
    const checked = typeof path === 'function' ? undefined : checkPath(path);
    this.#path = checked === undefined ? (path as (step: number) => unknown) : () => checked;
    const { parameters, metadata, snapshot } = checkKeys('options', options, ['parameters', 'metadata', 'snapshot']);
    this.isSnapshot = checkFlag('snapshot', snapshot, false);
    this.#metadata = checkMetadata(metadata);
    const tree = parameters === undefined ? undefined : readTree(parameters, 'parameters', leafReader);
    this.#tree = tree;
    this.#held = slots.all.flatMap((slot) =>
      PARTS.flatMap((part) => {
        const leaf = slot.get(part);
        return leaf ? [{ part, slot, leaf }] : [];
      }),
    );
    checkSeparate([...this.#held.map(({ leaf }) => leaf), ...(tree ? leavesOf(tree) : [])], []);
  }

  /** What the file will hold: as the state is once earlier steps are over. */
  #collect(): void {
    const { keeps, accumulated } = this.#state;
    const tree = this.#tree;
    const shown = this.#held.filter(({ slot, part }) => isShown(slot, part, keeps));
    this.#named = [
      ...shown.map(({ part, slot, leaf }) => ({ name: savedName(slot.path, part), leaf })),
      ...(tree ? leavesOf(tree).map((leaf) => ({ name: leaf.name, leaf })) : []),
    ];
    this.#notes = {
      ...countNotes(shown.map(({ part }) => part)),
      [ACCUMULATED]: accumulated.present > 0 ? String(accumulated.present) : undefined,
      state: noteFor(firstParts(this.#state), pathOf),
      [noteName('parameters')]: tree && noteFor(tree, ({ name }) => pathIn('parameters', name)),
    };
  }

  /** The memory that it reads. */
  get footprint(): Footprint {
    return footprintOf([...this.#held.map(({ leaf }) => leaf), ...(this.#tree ? leavesOf(this.#tree) : [])], 'read');
  }

  get #leaves(): readonly CheckedLeaf[] {
    return this.#named.map(({ leaf }) => leaf);
  }

  /** Writes the file once `turn` has come. A snapshot is copied before this returns. */
  async write(turn: Promise<unknown>): Promise<string> {
    const path = checkPath(this.#path(this.#state.progress.step));
    this.#collect();
    const pieces = this.#pieces();
    await turn;
    await writeWhole(path, pieces);
    return path;
  }

  /** The whole file in memory. */
  toBytes(): Bytes {
    this.#collect();
    checkLeavesFree(this.#leaves, 'read');
    return joinPieces(this.#pieces());
  }

  /** The file in pieces: copies for a snapshot, else the arrays themselves. */
  #pieces(): Piece[] {
    const { progress, hyperparameters } = this.#state;
    const lossScale = this.#state.lossScale?.state;
    const leaves = this.#leaves;
    const written = this.isSnapshot ? copiesOf(leaves).map((copy) => checkLeaf(copy, 'copy')) : leaves;
    const items = written.map((leaf, i) => itemOf(this.#named[i].name, leaf));
    const saved = HYPERPARAMETER_NAMES.map((name) => [HYPERPARAMETERS[name].saved, hyperparameters[name]] as const);
    const rates = this.#state.groups.currentRates(progress.learningRate);
    const notes = {
      learning_rate: progress.learningRate,
      ...(rates.length > 0 && { [GROUP_RATES]: JSON.stringify(rates) }),
      ...(lossScale && { [LOSS_SCALE]: JSON.stringify(lossScale) }),
      ...Object.fromEntries(saved),
      ...this.#notes,
    };
    return layOut([...numberItems(progress), ...items], metadataOf(notes, leaves, this.#metadata));
  }
}

/** Step and learning rate as MLX stores them. */
function numberItems({ step, learningRate }: Progress): Item[] {
  const steps = Buffer.alloc(8);
  steps.writeBigUInt64LE(BigInt(step));
  const rate = Buffer.alloc(4);
  rate.writeFloatLE(learningRate);
  return [
    { name: 'step', dtype: 'U64', shape: [], parts: [steps] },
    { name: 'learning_rate', dtype: 'F32', shape: [], parts: [rate] },
  ];
}

/** How many arrays there are of each part; velocities also where there is none. */
function countNotes(parts: readonly Part[]): Record<string, string | undefined> {
  const notes = PARTS.map((part) => {
    const count = parts.filter((one) => one === part).length;
    return [PART_COUNTS[part], count > 0 || part === 'v' ? String(count) : undefined];
  });
  return Object.fromEntries(notes) as Record<string, string | undefined>;
}

/** One array of each slot, for a note of the tree. */
function firstParts({ slots, keeps }: State): Node<CheckedLeaf> {
  const first = (slot: Slot): Node<CheckedLeaf> => {
    const part = PARTS.find((one) => isShown(slot, one, keeps));
    return part ? leafNode(slot.get(part) as CheckedLeaf) : EMPTY;
  };
  return mapSlots(slots.root, first, EMPTY);
}

/** The path of an array's parameter. */
function pathOf({ name }: CheckedLeaf): Path {
  const path = withoutPrefix('state.parameters', name.slice(0, name.lastIndexOf('.')));
  return path === false ? undefined : path;
}

/** The name of an array in a file, as MLX writes a velocity. */
function savedName(path: Path, part: Part): string {
  return prefixed(path === undefined ? undefined : escapeKey(path), part) as string;
}
