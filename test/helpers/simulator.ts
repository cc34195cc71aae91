// The controls of the Metal simulator that the addon was built over (tools/metal-sim): settings, faults, counters.
import { join } from 'node:path';

/** A call of Metal's that fails: after `after` good ones, `count` times (-1: always). */
export interface Fault {
  readonly at:
    | 'MTLCreateSystemDefaultDevice'
    | 'newCommandQueue'
    | 'commandBuffer'
    | 'computeCommandEncoder'
    | 'newBufferWithLength'
    | 'newBufferWithBytesNoCopy'
    | 'newLibraryWithSource'
    | 'newFunctionWithName'
    | 'newComputePipelineStateWithFunction'
    | 'commit';
  readonly after?: number;
  readonly count?: number;
  /** Of the NSError. */
  readonly code?: number;
  readonly message?: string;
  /** 'commit' only: half of what the kernels wrote reaches memory. */
  readonly partial?: boolean;
}

type Profile = 'paravirtual' | 'm1' | 'm2' | 'm3' | 'm4';

/** What steps take by the addon's stopwatch; seconds, and the GPU's speed over the CPU's. */
export interface SimulatorClock {
  readonly speed?: number;
  readonly latency?: number;
  readonly idlePenalty?: number;
  readonly coldStart?: number;
}

/** What can be asked of the simulator; its README.md says what each does, and what it is by default. */
export interface SimulatorSettings {
  readonly devices?: Profile | readonly Profile[];
  readonly defaultDevice?: boolean;
  readonly unifiedMemory?: boolean;
  readonly maxBufferLength?: number;
  readonly recommendedMaxWorkingSetSize?: number;
  readonly maxTotalThreadsPerThreadgroup?: number;
  readonly mathMode?: boolean;
  readonly flushSubnormals?: boolean;
  readonly positiveZero?: boolean;
  readonly flushBeforeRounding?: boolean;
  readonly metalsOwnLines?: boolean;
  readonly contract?: boolean;
  readonly contractOnly?: string;
  readonly reciprocalDivision?: boolean;
  readonly emptyKernel?: boolean;
  readonly trace?: boolean;
  readonly threads?: number;
  readonly seed?: number;
  readonly compileLatencyMs?: number;
  readonly pipelineLatencyMs?: number;
  readonly stepLatencyMs?: number;
  readonly completionDelayMs?: number;
  readonly outOfOrder?: boolean;
  readonly freshHandlerThreads?: boolean;
  readonly compileWarning?: boolean;
  readonly clock?: SimulatorClock;
  readonly faults?: readonly Fault[];
}

const COUNTERS = [
  'commandQueues',
  'commandBuffers',
  'commandBuffersDropped',
  'commits',
  'waits',
  'looks',
  'gpuNanoseconds',
  'encoders',
  'dispatches',
  'threads',
  'barriers',
  'setBytesCalls',
  'buffersBound',
  'buffersAllocated',
  'bytesAllocated',
  'buffersWrapped',
  'bytesWrapped',
  'deviceQueries',
  'libraries',
  'functions',
  'pipelines',
] as const;

/** Calls and bytes since the start. */
export type Counters = Readonly<Record<(typeof COUNTERS)[number], number>>;

/** Living objects by protocol. */
export type Live = Readonly<Record<'MTLCommandQueue' | 'MTLCommandBuffer' | 'MTLBuffer', number>>;

/** The controls as `tools/metal-sim/control` exports them. */
interface RawControls {
  open(addon: string): void;
  configure(json: string): void;
  resetSettings(): void;
  counters(): string;
  drain(): void;
}

export interface Simulator {
  /** Merges these into the settings in force. New `faults` replace pending ones. */
  configure(settings: SimulatorSettings): void;
  /** Back to the settings of the process's start, without faults. */
  resetSettings(): void;
  counters(): Counters;
  /** Objects that live when the GPU is idle. */
  live(): Live;
  /** Waits until the GPU has nothing to do and every handler has returned. */
  drain(): void;
}

/** The controls of the simulator in `root`'s build over it. Uses nothing of this file: children run its text. */
export function openSimulator(load: NodeJS.Require, root: string): Simulator {
  const controls = load(`${root}/build-sim/sim-control.node`) as RawControls;
  const addon = `${root}/build-sim/build/Release/metal-sgd.node`;
  load(addon);
  controls.open(addon);
  return {
    configure: (settings) => {
      controls.configure(JSON.stringify(settings));
    },
    resetSettings: () => {
      controls.resetSettings();
    },
    counters: () => JSON.parse(controls.counters()) as Counters,
    live: () => {
      controls.drain();
      return (JSON.parse(controls.counters()) as { live: Live }).live;
    },
    drain: () => {
      controls.drain();
    },
  };
}

let opened: Simulator | undefined;

/** The simulator of this process, which must run over it (`npm run sim`). */
export function simulator(): Simulator {
  opened ??= openSimulator(require, join(__dirname, '..', '..'));
  return opened;
}

/** What was counted while `work` ran. */
export async function countedIn(work: () => unknown): Promise<Counters> {
  const before = simulator().counters();
  await work();
  const after = simulator().counters();
  return Object.fromEntries(COUNTERS.map((name) => [name, after[name] - before[name]])) as Counters;
}

/** Fails if more objects live than did. Fewer may: the collector frees old plans when it likes. */
export function expectNoMoreLive(before: Live): void {
  const more = Object.entries(simulator().live()).filter(([name, count]) => count > before[name as keyof Live]);
  expect(more).toEqual([]);
}

/** To be called at the top of a file that changes settings. */
export function resetSimulatorAfterEach(): void {
  afterEach(() => {
    simulator().drain();
    simulator().resetSettings();
  });
}
