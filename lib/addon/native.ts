// The one file that knows the addon: gives it a type, and loads it when it is first needed.
import type { LeafData } from '../tree/dtype';
import { coded } from '../errors';
import { loadAddon } from './loader';

/** A tree made ready for stepping; opaque. Points into the arrays it was made of, without keeping them. */
export interface PreparedTree {
  readonly __preparedTree: never;
}

/** A GPU as the addon found it. Sizes in bytes. */
export interface Gpu {
  name: string;
  unifiedMemory: boolean;
  recommendedWorkingSet: number;
  maxBufferLength: number;
}

/** What the addon knows of the machine. */
export interface Machine {
  /** Those that the processor has, the fastest first. */
  instructionSets: string[];
  /** Size of the thread pool. */
  threads: number;
  /** Bytes of a page of memory. */
  pageSize: number;
  /** The one that steps run on first. */
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

/** Where steps of a tree may run (`native/tree_step.h` has the same order). */
export const TARGETS = ['cpu', 'gpu', 'auto'] as const;

/** What a step did (`native/tree_step.h` has the same order). */
export const RAN = ['cpuAsked', 'cpuNoArena', 'cpuSmall', 'cpuRefused', 'gpu', 'gpuAndCpu'] as const;

/** The addon's verbs. Arguments are checked here in `lib`; the addon checks what could corrupt memory. */
export interface Native {
  /** Addresses of first elements. */
  addresses(views: readonly ArrayBufferView[]): Float64Array;
  /** Tells the collector of `bytes` more (or fewer) of shared memory. */
  adjustExternalMemory(bytes: number): void;
  /** Asks the system for huge pages under this memory, which nobody has touched yet. As doubles: see `ArenaPages`. */
  askForHugePages(memory: Float64Array): void;
  machine(): Machine;
  /** Size of the process's thread pool. */
  setThreads(count: number): void;
  /** Takes one of `machine().instructionSets` for all later steps of the process. */
  chooseInstructionSet(name: string): void;
  /**
   * `dtypes` as in `DTYPES`; `joined[i]` is 1 where nothing but padding lies between leaf i - 1 and leaf i in all
   * three lists; `settings` is read and written at each step, in the order of `SETTINGS`; `target` is an index of
   * `TARGETS`; `places` holds three indices of `arenas` for each leaf (parameter, gradient, velocity), -1 for none.
   */
  prepareStep(
    parameters: readonly LeafData[],
    gradients: readonly LeafData[],
    velocities: readonly (LeafData | null)[],
    dtypes: Uint8Array,
    joined: Uint8Array,
    settings: Float64Array,
    target: number,
    arenas: readonly ArenaPages[],
    places: Int32Array,
  ): PreparedTree;
  /** Lets go of what was made for the tree, without waiting for the collector. A step in flight keeps it until its end. */
  release(tree: PreparedTree): void;
  /** One step in place. */
  step(tree: PreparedTree): void;
  /** One step off this thread, with the settings as they are at the call; holds `keep` until it is done. */
  stepAsync(tree: PreparedTree, keep: object): Promise<void>;
}

/** Where each number stands in a settings array (`binding/bound_tree.h` has the same order). */
export const SETTINGS = {
  learningRate: 0,
  momentum: 1,
  weightDecay: 2,
  dampening: 3,
  nesterov: 4,
  flushSubnormals: 5,
  /** Written by each step: an index of `RAN`. */
  ran: 6,
  /** Written by each step. */
  copiedBytes: 7,
  /** Written by each step. */
  gpuSeconds: 8,
} as const;

let loaded: Native | undefined;

/** The addon, loaded at the first call. Throws with code 'addon' if it can't be. */
export function native(): Native {
  if (!loaded) {
    const addon = loadAddon() as Native;
    const threads = threadsAsked();
    if (threads !== undefined) addon.setThreads(threads);
    loaded = addon;
  }
  return loaded;
}

/** METAL_SGD_THREADS, checked. */
function threadsAsked(): number | undefined {
  const text = process.env['METAL_SGD_THREADS'];
  if (text === undefined || text === '') return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1024) return count;
  throw coded(
    RangeError,
    'invalid-option',
    `METAL_SGD_THREADS: expected a whole number from 1 to 1024, received ${JSON.stringify(text)}`,
  );
}
