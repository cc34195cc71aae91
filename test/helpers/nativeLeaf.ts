// One leaf on the addon alone, for what the class never asks of it, and for many steps at its own speed.
import { type Dtype, DTYPES, type LeafData } from '../../lib/dtype';
import { native, SETTINGS, TARGETS } from '../../lib/native';
import type { Hyperparameters, Subnormals } from './oracle';

/** A function that takes one step of the leaf, in place. */
export function nativeStepper(
  dtype: Dtype,
  w: LeafData,
  g: LeafData,
  v: LeafData | null,
): (given: Hyperparameters, subnormals?: Subnormals) => void {
  const settings = new Float64Array(Object.keys(SETTINGS).length);
  const dtypes = Uint8Array.of(DTYPES.indexOf(dtype));
  const notInArenas = Int32Array.of(-1, -1, -1);
  const cpu = TARGETS.indexOf('cpu');
  const tree = native().prepareStep([w], [g], [v], dtypes, new Uint8Array(1), settings, cpu, [], notInArenas);
  return (given, subnormals = 'keep') => {
    for (const key of Object.keys(given) as (keyof Hyperparameters)[]) settings[SETTINGS[key]] = Number(given[key]);
    settings[SETTINGS.flushSubnormals] = Number(subnormals === 'flush');
    native().step(tree);
  };
}
