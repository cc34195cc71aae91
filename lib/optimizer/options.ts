// Options of the constructor.
import { checkKeys } from '../errors';
import { checkHyperparameters, HYPERPARAMETER_NAMES, type Hyperparameters } from '../state/hyperparameters';
import { checkDevice, type DeviceChoice } from './device';

/** Options of `SGD`, with MLX's names and defaults. */
export interface SGDOptions {
  /** mu; default 0: a plain step without velocity. */
  momentum?: number | undefined;
  /** wd, the L2 penalty added to the gradient; default 0. */
  weightDecay?: number | undefined;
  /** tau, dampening of the momentum; default 0. Applies from the first step on, unlike PyTorch's. */
  dampening?: number | undefined;
  /** Nesterov momentum; default false. Needs a momentum and zero dampening. */
  nesterov?: boolean | undefined;
  /** Default `'auto'`. The environment variable METAL_SGD_DEVICE replaces `'auto'` only. */
  device?: DeviceChoice | undefined;
}

/** Throws for an unknown option or a wrong value; fills the defaults in. */
export function checkOptions(options: unknown): { device: DeviceChoice; hyperparameters: Hyperparameters } {
  const given = checkKeys('options', options, [...HYPERPARAMETER_NAMES, 'device']);
  const hyperparameters = checkHyperparameters(given);
  return { hyperparameters, device: checkDevice('device', given.device ?? 'auto') };
}
