// The error of a step under `nonFinite: 'error'`.
import { native, type PreparedTree } from '../addon/native';
import { coded } from '../errors';
import { pathIn, prefixed } from '../tree/paths';

/** Says which leaf is not finite, in PyTorch's words. `names`: of the parameters that the prepared tree steps. */
export function notFinite(prepared: PreparedTree, names: readonly string[]): Error {
  const leaf = native().firstNotFinite(prepared);
  const where = leaf < 0 ? 'gradients' : String(prefixed('gradients', pathIn('parameters', names[leaf])));
  const torch = 'The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped.';
  const what = leaf < 0 ? 'their norm exceeds its dtype' : 'an element is NaN or infinite';
  return coded(
    Error,
    'not-finite',
    `${where}: ${torch} Here ${what}; nothing was changed (nonFinite: 'skip' leaves such steps out, 'apply' takes them)`,
  );
}
