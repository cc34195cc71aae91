// Leaves on the addon alone, for what the class never asks of it, and for many steps at its own speed.
import type { Dtype, LeafData } from '../../lib/tree/dtype';
import { constants, native } from '../../lib/addon/native';
import { Settings } from '../../lib/addon/settings';
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
  const { dtypes, roles, targets } = constants();
  const addon = native();
  const width = roles.length + 1;
  const arrays = leaves.flatMap(({ w, g, v }) => [
    ...roles.map((role) => (role === 'parameter' ? w : role === 'velocity' ? v : null)),
    g,
  ]);
  const tree = addon.prepareStep({
    arrays,
    width,
    dtypes: Uint8Array.from(arrays, (_, i) => dtypes.indexOf(leaves[Math.floor(i / width)].dtype)),
    places: new Int32Array(2 * arrays.length).fill(-1),
    groups: new Uint8Array(leaves.length),
    first: new Uint8Array(leaves.length),
    settings: settings.rows,
    target: targets.indexOf('cpu'),
    arenas: [],
  });
  return (given, subnormals = 'keep') => {
    for (const key of KEYS) settings.set(key, given[key]);
    settings.set('flushSubnormals', subnormals === 'flush');
    addon.step(tree);
  };
}
