// The one file that knows the addon: gives it a type, and loads it at its first use.
import type { LeafData } from '../tree/dtype';
import { checkConstants, type Constants } from './constants';
import { threadsAsked } from './environment';
import { loadAddon } from './loader';

/** A tree made ready for stepping; opaque. Points into its arrays without keeping them alive. */
export interface PreparedTree {
  readonly __preparedTree: never;
}

/** Where the steps of an optimizer run under 'auto', as far as they have been timed; opaque. */
export interface Choices {
  readonly __choices: never;
}

/** A GPU as the addon found it. Sizes in bytes. */
export interface Gpu {
  name: string;
  unifiedMemory: boolean;
  recommendedWorkingSet: number;
  maxBufferLength: number;
}

/** A job that was joined. */
export interface Joined {
  library: string;
  rank: number;
  size: number;
}

/** This machine. */
export interface Machine {
  /** Those of the processor, the fastest first. */
  instructionSets: string[];
  /** Size of the thread pool. */
  threads: number;
}

/** The GPUs of this machine. */
export interface Gpus {
  /** The one that steps run on comes first. */
  gpus: Gpu[];
  /** Set where `gpus` is empty. */
  whyNoGpu: string;
}

/** Whole pages of an arena, for a GPU to wrap. */
export interface ArenaPages {
  id: bigint;
  /** As doubles, since Node 20 has no array of 4 Gi bytes. */
  pages: Float64Array;
}

/** Leaves as the addon takes them. `dtypes` and `target` are indices of the lists in `constants()`. */
export interface Leaves {
  /** `width` of them for each leaf: one for each of `constants().roles`, then its gradients; null for none. */
  arrays: readonly (LeafData | null)[];
  width: number;
  /** Of each array. */
  dtypes: Uint8Array;
  /** Two numbers for each array: the index of its arena, and which leaf of the arena it is, whole; -1 for none. */
  places: Int32Array;
  /** The row of `settings` that each leaf takes its hyperparameters from. */
  groups: Uint8Array;
  /** For each leaf, bits by role: what the step makes instead of going on with it. */
  first: Uint8Array;
  settings: Float64Array;
  target: number;
  /** Under 'auto'. */
  choices: Choices | null;
  /** True if steps may measure their gradients. */
  measures: boolean;
  arenas: readonly ArenaPages[];
}

/** The addon's verbs. `lib` checks their arguments; the addon checks again what could corrupt memory. */
export interface Native {
  /** The address of each view's first element. */
  addresses(views: readonly ArrayBufferView[]): Float64Array;
  /** Tells the collector about `bytes` more (or fewer) of shared memory. */
  adjustExternalMemory(bytes: number): void;
  /** Asks the system for huge pages under this memory, which must be untouched. As doubles: see `ArenaPages`. */
  askForHugePages(memory: Float64Array): void;
  /** Copies elements of any dtype, each rounded once. `dtypes` has the target's and the source's of each leaf. */
  copyElements(targets: readonly LeafData[], sources: readonly LeafData[], dtypes: Uint8Array): void;
  constants(): Constants;
  /** The index of the first leaf whose gradients are not finite, as a step with the present settings takes them; -1: none. */
  firstNotFinite(tree: PreparedTree): number;
  /** The norm of all arrays, in one fixed shape. `flushSubnormals`: of float32, as GPUs do. */
  globalNorm(arrays: readonly LeafData[], dtypes: Uint8Array, flushSubnormals: boolean): number;
  machine(): Machine;
  /** Asks Metal, alone among the verbs that take no step. */
  gpus(): Gpus;
  /** Size of the process's thread pool. */
  setThreads(count: number): void;
  /** Takes one of `machine().instructionSets` for all later steps of the process. */
  chooseInstructionSet(name: string): void;
  /** The choices of a new optimizer. */
  newChoices(): Choices;
  /** Prepares leaves for stepping. Each step reads and writes the row `settings`. */
  prepareStep(leaves: Leaves): PreparedTree;
  /** The same for sums: each step writes the sum of the gradients to the parameter's array, which may be one of them. */
  prepareSum(leaves: Leaves): PreparedTree;
  /** Releases the tree without waiting for the collector. A step in flight keeps it until its end. */
  release(tree: PreparedTree): void;
  /** Takes one step in place. */
  step(tree: PreparedTree): void;
  /** Opens the first of these MPI libraries that is there, and joins the job. */
  worldJoin(libraries: readonly string[]): Promise<Joined>;
  /** Every rank's `bytes`, in the order of ranks; this rank's are in place already. `timeout` in seconds, here and below. */
  worldGather(data: Uint8Array, bytes: number, timeout: number): Promise<void>;
  /**
   * Sums elements over all ranks, in the order of ranks, over the divisor. Of each two arrays the first is read and the
   * second written; they may be one. All of one dtype.
   */
  worldSum(
    arrays: readonly LeafData[],
    isDouble: boolean,
    bucketBytes: number,
    flushSubnormals: boolean,
    divisor: number,
    timeout: number,
  ): Promise<void>;
  /** Rank 0's bytes. */
  worldBroadcast(data: Uint8Array, timeout: number): Promise<void>;
  /** No verb of the world may follow. Waits for ever for ranks that do not leave. */
  worldLeave(): Promise<void>;
  /** Takes one step off this thread, with the present settings. Keeps `keep` alive until it is done. */
  stepAsync(tree: PreparedTree, keep: object): Promise<void>;
}

let loaded: { readonly addon: Native; readonly constants: Constants } | undefined;

function load(): { readonly addon: Native; readonly constants: Constants } {
  if (loaded) return loaded;
  const addon = loadAddon() as Native;
  const constants = checkConstants(addon);
  const threads = threadsAsked();
  if (threads !== undefined) addon.setThreads(threads);
  loaded = { addon, constants };
  return loaded;
}

/** The addon, loaded at the first call. Throws with code 'addon' if it can't be, or if it belongs to another version. */
export function native(): Native {
  return (loaded ?? load()).addon;
}

/** The addon's lists. Throws as `native`. */
export function constants(): Constants {
  return (loaded ?? load()).constants;
}
