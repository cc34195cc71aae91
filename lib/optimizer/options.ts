// Options of the constructor.
import { checkFlag, checkKeys, rangeError, typeError } from '../errors';
import { AROUND_NAMES, checkAround, type SGDAround } from '../state/around';
import {
  checkHyperparameters,
  checkLearningRate,
  HYPERPARAMETER_NAMES,
  type SGDHyperparameters,
} from '../state/hyperparameters';
import { checkLossScale, type DynamicLossScale } from '../state/lossScale';
import { checkFilter, checkGroups, Groups, type LeafFilter } from '../state/groups';
import type { StateOptions } from '../state/state';
import type { Schedule } from '../state/types';
import { checkDevice, type DeviceChoice } from './device';
import { World } from './world';

type Optional<T> = { [K in keyof T]?: T[K] | undefined };

/** A group of leaves with values of its own. What it does not name follows the optimizer, also when that changes later. */
export interface SGDGroupOptions extends Optional<SGDHyperparameters> {
  /** The leaves of the group: those that it picks and no group before it. */
  parameters: LeafFilter;
  /** A number or a schedule, which is asked with the optimizer's number of completed steps. */
  learningRate?: number | Schedule | undefined;
}

/** Options of `SGD`, with MLX's names and defaults. */
export interface SGDOptions extends Optional<SGDHyperparameters>, Optional<SGDAround> {
  /** Groups of leaves; the first that picks a leaf has it. Default: none. As MLX's `MultiOptimizer`. */
  groups?: readonly SGDGroupOptions[] | undefined;
  /** The leaves that train; default: all. Others are not read, and have no velocity. A gradient for one is allowed. */
  trainable?: LeafFilter | undefined;
  /**
   * True: each 16-bit parameter has a float32 master, which steps with a float32 velocity; the parameter is the rounded
   * master. A parameter that somebody writes is taken up. Default false.
   */
  masterWeights?: boolean | undefined;
  /**
   * What the loss was multiplied by before its gradients were taken: each step divides its gradients by it, and leaves out
   * those that are not finite. A number, which never changes, or a scale that changes as PyTorch's GradScaler does.
   */
  lossScale?: number | DynamicLossScale | undefined;
  /** Default `'auto'`. The environment variable METAL_SGD_DEVICE replaces `'auto'` only. */
  device?: DeviceChoice | undefined;
  /**
   * The processes that step together, from `joinWorld`: `updateAsync` takes the mean of the gradients of all of them. Default:
   * this process alone.
   */
  world?: World | undefined;
}

const OTHERS = ['groups', 'trainable', 'masterWeights', 'lossScale', 'device', 'world'] as const;

/** Throws for an unknown option or a wrong value; fills the defaults in. */
export function checkOptions(options: unknown, learningRate: unknown): CheckedOptions {
  checkLearningRate('learningRate', learningRate); // first: whoever gives PyTorch's arguments gives parameters here
  const names = [...HYPERPARAMETER_NAMES, ...AROUND_NAMES, ...OTHERS] as const;
  const given = checkKeys('options', options, names);
  const hyperparameters = checkHyperparameters(given);
  const trainable = given.trainable === undefined ? undefined : checkFilter('trainable', given.trainable);
  const lossScale = checkLossScale(given.lossScale);
  const groups = new Groups(checkGroups(given.groups), trainable);
  groups.check(hyperparameters);
  return {
    hyperparameters,
    around: checkAround(given, lossScale !== undefined),
    lossScale,
    groups,
    masterWeights: checkFlag('masterWeights', given.masterWeights, false),
    device: checkDevice('device', given.device ?? 'auto'),
    world: checkWorld(given.world),
  };
}

function checkWorld(world: unknown): World | undefined {
  if (world === undefined || world instanceof World) return world;
  throw typeError('invalid-option', 'world', 'what joinWorld resolves to', world);
}

interface CheckedOptions extends StateOptions {
  readonly device: DeviceChoice;
  readonly world: World | undefined;
}

/** Options of one step. */
export interface StepOptions {
  /**
   * A factor for all gradients of this step, after their mean: the caller's own clipping, for example. Formed in double,
   * and rounded once to float32 (not for float64 leaves). Default 1.
   */
  gradientScale?: number | undefined;
}

/** The factor among the options of a step. */
export function checkScale(options: unknown): number {
  if (options === undefined) return 1;
  if (typeof options !== 'object' || options === null)
    throw typeError('invalid-option', 'options', '{ gradientScale }', options);
  const { gradientScale = 1 } = checkKeys('options', options, ['gradientScale']);
  const expected = 'a finite number';
  if (typeof gradientScale !== 'number') throw typeError('invalid-option', 'gradientScale', expected, gradientScale);
  if (!Number.isFinite(Math.fround(gradientScale)))
    throw rangeError('invalid-option', 'gradientScale', expected, gradientScale);
  return gradientScale;
}
