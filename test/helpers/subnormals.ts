// Which way the optimizer's own steps treat float32 subnormals on this machine.
import { policyFor } from '../../lib/device';
import type { DeviceChoice } from '../../lib';
import type { Subnormals } from './oracle';

/** 'flush' where steps of this device may run on a GPU. */
export function subnormalsOn(device: DeviceChoice): Subnormals {
  return policyFor(device).flushSubnormals ? 'flush' : 'keep';
}
