// What the devices differ in: the suite runs on a CPU, and again with METAL_SGD_DEVICE=gpu.
import type { DeviceChoice } from '../../lib';
import { policyFor } from '../../lib/optimizer/device';
import type { Dtype } from '../../lib/tree/dtype';
import type { Flushing, Subnormals } from './oracle';

/** 'flush' where float32 steps of this device may run on a GPU. */
export function subnormalsOn(device: DeviceChoice): Subnormals {
  const { flushSubnormals, target } = policyFor(device);
  if (!flushSubnormals) return 'keep';
  const { METAL_SIM } = process.env;
  return target === 'gpu' && METAL_SIM ? (JSON.parse(METAL_SIM) as Flushing) : 'flush';
}

/** `device`, or the CPU where that would be a GPU alone and a leaf has a dtype that GPUs lack. */
export function deviceFor(dtypes: readonly Dtype[], device: DeviceChoice = 'auto'): DeviceChoice {
  return dtypes.includes('float64') && policyFor(device).target === 'gpu' ? 'cpu' : device;
}
