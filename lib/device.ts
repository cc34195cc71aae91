// Where steps run, and what there is to run them on.
import { coded } from './errors';
import { checkDevice, type DeviceChoice } from './hyperparameters';
import { native } from './native';

/** Where the last step ran. */
export interface LastRun {
  readonly device: 'cpu' | 'gpu';
  /** Why there. */
  readonly reason: string;
  /** Bytes copied to make the step possible; 0 for arrays that `zeros` made. */
  readonly copiedBytes: number;
}

/** A device that steps can run on. */
export interface Device {
  readonly type: 'cpu' | 'gpu';
  readonly name: string;
  /** For a CPU: the instruction set in use. */
  readonly instructionSet?: string;
  /** For a CPU: threads that share a step. */
  readonly threads?: number;
}

/**
 * The devices of this machine. The CPU is always there.
 *
 * @throws Error with code `addon` if the native addon can't be loaded.
 */
export function devices(): Device[] {
  const { instructionSets, threads } = native().machine();
  return [{ type: 'cpu', name: process.arch, instructionSet: instructionSets[0], threads }];
}

/** How an optimizer that asked for `choice` runs. */
export interface RunPolicy {
  readonly lastRun: LastRun;
  /** Where a GPU could take the next step, the CPU must flush float32 subnormals as it does. */
  readonly flushSubnormals: boolean;
}

/** The policy for a choice. Throws with code `no-gpu` if it asks for a GPU and there is none. */
export function policyFor(choice: DeviceChoice): RunPolicy {
  const fromEnvironment = choice === 'auto' ? process.env['METAL_SGD_DEVICE'] : undefined;
  const effective = fromEnvironment ? checkDevice('METAL_SGD_DEVICE', fromEnvironment) : choice;
  const { gpu } = native().machine();
  const asked = fromEnvironment ? `METAL_SGD_DEVICE is '${effective}'` : `device is '${effective}'`;
  if (effective === 'gpu') {
    throw coded(
      Error,
      'no-gpu',
      `device: expected a GPU, since ${asked}, received none: ${gpu.reason}; devices() lists what there is`,
    );
  }
  const reason = effective === 'cpu' ? asked : `no GPU: ${gpu.reason}`;
  return { lastRun: Object.freeze({ device: 'cpu', reason, copiedBytes: 0 }), flushSubnormals: false };
}
