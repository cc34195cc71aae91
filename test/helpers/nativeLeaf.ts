// Leaves on the addon alone, for what the class never asks of it, and for many steps at its own speed.
import type { Dtype, LeafData } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import { Settings } from '../../lib/addon/settings';
import { prepareStep } from '../../lib/optimizer/prepare';
import { type CheckedLeaf, checkLeaf } from '../../lib/tree/leaf';
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
  const settings = new Settings(0);
  const read = (dtype: Dtype, data: LeafData): CheckedLeaf => checkLeaf({ data, shape: [data.length], dtype }, 'leaf');
  const tree = prepareStep(
    leaves.map(({ dtype, w, g, v }) => ({
      parameter: read(dtype, w),
      gradients: [read(dtype, g)],
      ...(v && { velocity: read(dtype, v) }),
      group: 0,
      first: [],
    })),
    { target: 'cpu', settings, choices: null, measures: false },
  );
  return (given, subnormals = 'keep') => {
    for (const key of KEYS) settings.set(key, given[key]);
    settings.set('flushSubnormals', subnormals === 'flush');
    native().step(tree);
  };
}
