// Environment variables that set up the addon.
import { coded } from '../errors';

/** METAL_SGD_THREADS, checked; `undefined` if it is not set. */
export function threadsAsked(): number | undefined {
  const text = process.env['METAL_SGD_THREADS'];
  if (text === undefined || text === '') return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 1024) return count;
  throw coded(
    RangeError,
    'invalid-option',
    `METAL_SGD_THREADS: expected a whole number from 1 to 1024, received ${JSON.stringify(text)}`,
  );
}
