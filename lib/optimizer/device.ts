// The devices of this machine, and the choice between them.
import { coded, rangeError } from '../errors';
import type { Outcome, Target } from '../addon/names';
import { constants, native } from '../addon/native';
import type { Settings } from '../addon/settings';

/** Where steps run: `'auto'` picks the faster device for each step, `'gpu'` throws without a GPU, `'cpu'` never uses Metal. */
export type DeviceChoice = 'auto' | 'gpu' | 'cpu';

const DEVICES: readonly DeviceChoice[] = ['auto', 'gpu', 'cpu'];

/** A choice of device; `name` says whose. */
export function checkDevice(name: string, value: unknown): DeviceChoice {
  const known = DEVICES.find((one) => one === value);
  if (!known) throw rangeError('invalid-option', name, DEVICES.join(', '), value);
  return known;
}

/** What the last step did, and where. Frozen. */
export interface LastRun {
  readonly device: 'cpu' | 'gpu';
  /** Why it ran there. */
  readonly reason: string;
  /** Bytes copied to and from the GPU; 0 for arrays that `zeros` made. */
  readonly copiedBytes: number;
  /** Seconds on the GPU, by the GPU's own clock; 0 on the CPU. */
  readonly gpuSeconds: number;
  /**
   * The norm of the gradients that the step took, before clipping. `undefined` without `maxNorm`, a loss scale and `nonFinite`
   * other than `'apply'`.
   */
  readonly gradientNorm: number | undefined;
  /** Their largest magnitude, likewise; NaN if an element is NaN. */
  readonly gradientMax: number | undefined;
  /** True if the step clipped by the norm. */
  readonly clipped: boolean;
  /** True if the step changed nothing, since a gradient was not finite. */
  readonly skipped: boolean;
  /** The loss scale that the step took out; `undefined` without one. */
  readonly lossScale: number | undefined;
}

/** The processor. */
export interface CpuDevice {
  readonly type: 'cpu';
  /** Its architecture: 'arm64'. */
  readonly name: string;
  /** The one that steps use. */
  readonly instructionSet: string;
  /** Size of the thread pool. */
  readonly threads: number;
}

/** A GPU. Sizes in bytes. */
export interface GpuDevice {
  readonly type: 'gpu';
  readonly name: string;
  /** True if it shares the processor's memory. */
  readonly unifiedMemory: boolean;
  /** What it can use without becoming slow. */
  readonly recommendedWorkingSet: number;
  readonly maxBufferLength: number;
}

/** A device that steps can run on. */
export type Device = CpuDevice | GpuDevice;

/**
 * The devices of this machine: the GPU that steps run on, other GPUs, and the CPU.
 *
 * @throws Error with code `addon` if the native addon can't be loaded.
 */
export function devices(): Device[] {
  const { instructionSets, threads } = native().machine();
  const { gpus } = native().gpus();
  const cpu: CpuDevice = { type: 'cpu', name: process.arch, instructionSet: instructionSets[0], threads };
  return [...gpus.map((gpu): GpuDevice => ({ type: 'gpu', ...gpu })), cpu];
}

/** What a choice of device means on this machine. */
export interface DevicePolicy {
  readonly target: Target;
  /** Where a GPU may take the next step, the CPU must flush float32 subnormals as the GPU does. */
  readonly flushSubnormals: boolean;
  /** Reason reported in `lastRun` where every step runs on the same device. */
  readonly reason: string;
}

/** The policy for a choice. Throws with code `no-gpu` if it asks for a GPU and there is none. */
export function policyFor(choice: DeviceChoice): DevicePolicy {
  const fromEnvironment = choice === 'auto' ? process.env['METAL_SGD_DEVICE'] : undefined;
  const effective = fromEnvironment ? checkDevice('METAL_SGD_DEVICE', fromEnvironment) : choice;
  const asked = fromEnvironment ? `METAL_SGD_DEVICE is '${effective}'` : `device is '${effective}'`;
  if (effective === 'cpu') return { target: 'cpu', flushSubnormals: false, reason: asked };
  const { gpus, whyNoGpu } = native().gpus();
  if (gpus.length > 0) return { target: effective, flushSubnormals: true, reason: asked };
  if (effective === 'auto') return { target: 'cpu', flushSubnormals: false, reason: `no GPU: ${whyNoGpu}` };
  const seen = devices().map(({ type, name }) => `${type} ${name}`);
  throw coded(
    Error,
    'no-gpu',
    `device: expected a GPU, since ${asked}, received none: ${whyNoGpu}; devices() saw ${seen.join(', ')}`,
  );
}

/** A step that has been taken. */
export interface Run {
  readonly measures: boolean;
  readonly lossScale: number | undefined;
}

/** A time in seconds. */
const inWords = (seconds: number): string => `${(1000 * seconds).toPrecision(3)} ms`;

/** The addon's report of the last step, in words. */
export function lastRunOf({ reason: asked }: DevicePolicy, settings: Settings, { measures, lossScale }: Run): LastRun {
  const outcome = constants().outcomes[settings.get('outcome')];
  const times = `: ${inWords(settings.get('cpuTime'))} on the CPU, ${inWords(settings.get('gpuTime'))} on the GPU`;
  const reasons: Record<Outcome, string> = {
    cpuAsked: asked,
    cpuNoArena: 'no leaf can run on the GPU in place: float64, or memory that zeros did not make',
    cpuSmall: 'steps that move less than 8 MiB never wake the GPU',
    cpuTimed: 'timed on the CPU, to find the faster device',
    cpuFaster: `faster on the CPU${times}`,
    cpuRefused: "the GPU was refused: its compiler or its self-test failed; device: 'gpu' tells how",
    cpuGpuFailed: "the GPU failed before it wrote anything; device: 'gpu' tells how, 'auto' tries again later",
    cpuWhole:
      'one device measures all gradients, and some can not run on the GPU: float64, or memory that zeros did not make',
    cpuTooLarge: 'the arrays of zeros take more memory than the GPU should use',
    cpuNoProof: 'this GPU is proved for plain steps alone',
    cpuExact: "this GPU has other bits than the CPU where float32 subnormals are; device: 'gpu' uses it all the same",
    gpuAsked: asked,
    gpuInexact: `${asked}; it has other bits than the CPU where float32 subnormals are, and no others`,
    gpuTimed: 'timed on the GPU, to find the faster device',
    gpuFaster: `faster on the GPU${times}`,
  };
  const rest =
    settings.get('isSplit') === 1 ? '; float64 leaves and memory that zeros did not make ran on the CPU' : '';
  const device = outcome.startsWith('gpu') ? 'gpu' : 'cpu';
  const [copiedBytes, gpuSeconds] = [settings.get('copiedBytes'), settings.get('gpuSeconds')];
  const { verdict } = settings;
  return Object.freeze({
    device,
    reason: reasons[outcome] + rest,
    copiedBytes,
    gpuSeconds,
    gradientNorm: measures ? settings.get('gradientNorm') : undefined,
    gradientMax: measures ? settings.get('gradientMax') : undefined,
    clipped: verdict === 'clipped',
    skipped: verdict === 'skipped',
    lossScale,
  });
}
