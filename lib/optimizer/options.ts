// Options of the constructor.
import { checkKeys } from '../errors';
import {
  checkHyperparameters,
  HYPERPARAMETER_NAMES,
  type Hyperparameters,
  type SGDHyperparameters,
} from '../state/hyperparameters';
import { checkDevice, type DeviceChoice } from './device';

type Optional<T> = { [K in keyof T]?: T[K] | undefined };

/** Options of `SGD`, with MLX's names and defaults. */
export interface SGDOptions extends Optional<SGDHyperparameters> {
  /** Default `'auto'`. The environment variable METAL_SGD_DEVICE replaces `'auto'` only. */
  device?: DeviceChoice | undefined;
}

/** Throws for an unknown option or a wrong value; fills the defaults in. */
export function checkOptions(options: unknown): { device: DeviceChoice; hyperparameters: Hyperparameters } {
  const given = checkKeys('options', options, [...HYPERPARAMETER_NAMES, 'device']);
  const hyperparameters = checkHyperparameters(given);
  return { hyperparameters, device: checkDevice('device', given.device ?? 'auto') };
}
