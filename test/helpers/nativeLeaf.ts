// Leaves on the addon alone, for what the class never asks of it, and for many steps at its own speed.
import { type Dtype, DTYPES, type LeafData } from '../../lib/tree/dtype';
import { native, SETTINGS, TARGETS } from '../../lib/addon/native';
import type { Hyperparameters, Subnormals } from './oracle';

/** What the addon is given of a leaf. */
export interface NativeLeaf {
  readonly dtype: Dtype;
  readonly w: LeafData;
  readonly g: LeafData;
  readonly v: LeafData | null;
}

const KEYS = ['learningRate', 'momentum', 'weightDecay', 'dampening', 'nesterov'] as const;

/** A function that takes one step of all leaves on the CPU, in place. */
export function nativeStepper(
  leaves: readonly NativeLeaf[],
): (given: Hyperparameters, subnormals?: Subnormals) => void {
  const settings = new Float64Array(Object.keys(SETTINGS).length);
  const addon = native();
  const tree = addon.prepareStep(
    leaves.map(({ w }) => w),
    leaves.map(({ g }) => g),
    leaves.map(({ v }) => v),
    Uint8Array.from(leaves, ({ dtype }) => DTYPES.indexOf(dtype)),
    new Uint8Array(leaves.length),
    settings,
    TARGETS.indexOf('cpu'),
    [],
    new Int32Array(3 * leaves.length).fill(-1),
  );
  return (given, subnormals = 'keep') => {
    for (const key of KEYS) settings[SETTINGS[key]] = +given[key];
    settings[SETTINGS.flushSubnormals] = subnormals === 'flush' ? 1 : 0;
    addon.step(tree);
  };
}
