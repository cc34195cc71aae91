// Options of the constructor.
import { checkKeys } from '../errors';
import {
  checkHyperparameters,
  checkLearningRate,
  HYPERPARAMETER_NAMES,
  type Hyperparameters,
  type SGDHyperparameters,
} from '../state/hyperparameters';
import { checkFilter, checkGroups, Groups, type LeafFilter } from '../state/groups';
import type { Schedule } from '../state/types';
import { checkDevice, type DeviceChoice } from './device';

type Optional<T> = { [K in keyof T]?: T[K] | undefined };

/** A group of leaves with values of its own. What it does not name follows the optimizer, also when that changes later. */
export interface SGDGroupOptions extends Optional<SGDHyperparameters> {
  /** The leaves of the group: those that it picks and no group before it. */
  parameters: LeafFilter;
  /** A number or a schedule, which is asked with the optimizer's number of completed steps. */
  learningRate?: number | Schedule | undefined;
}

/** Options of `SGD`, with MLX's names and defaults. */
export interface SGDOptions extends Optional<SGDHyperparameters> {
  /** Groups of leaves; the first that picks a leaf has it. Default: none. As MLX's `MultiOptimizer`. */
  groups?: readonly SGDGroupOptions[] | undefined;
  /** The leaves that train; default: all. Others are not read, and have no velocity. A gradient for one is allowed. */
  trainable?: LeafFilter | undefined;
  /** Default `'auto'`. The environment variable METAL_SGD_DEVICE replaces `'auto'` only. */
  device?: DeviceChoice | undefined;
}

/** Throws for an unknown option or a wrong value; fills the defaults in. */
export function checkOptions(options: unknown, learningRate: unknown): CheckedOptions {
  checkLearningRate('learningRate', learningRate); // first: whoever gives PyTorch's arguments gives parameters here
  const given = checkKeys('options', options, [...HYPERPARAMETER_NAMES, 'groups', 'trainable', 'device']);
  const hyperparameters = checkHyperparameters(given);
  const trainable = given.trainable === undefined ? undefined : checkFilter('trainable', given.trainable);
  const groups = new Groups(checkGroups(given.groups), trainable);
  groups.check(hyperparameters);
  return { hyperparameters, groups, device: checkDevice('device', given.device ?? 'auto') };
}

interface CheckedOptions {
  readonly device: DeviceChoice;
  readonly hyperparameters: Hyperparameters;
  readonly groups: Groups;
}
