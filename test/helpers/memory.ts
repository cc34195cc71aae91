// Trees as bytes, to tell whether a call has changed anything.
import type { SGD } from '../../lib/index';

/** Every byte of the arrays in a tree, as text; leaves appear in the tree's order. */
export function bytesOf(tree: unknown): string {
  if (ArrayBuffer.isView(tree) && tree.byteLength === 0) return ''; // detached ones too
  if (ArrayBuffer.isView(tree)) return Buffer.from(tree.buffer, tree.byteOffset, tree.byteLength).toString('hex');
  if (typeof tree !== 'object' || tree === null) return String(tree);
  return `{${Object.entries(tree)
    .map(([key, value]) => `${JSON.stringify(key)}:${bytesOf(value)}`)
    .join()}}`;
}

/** All that an optimizer remembers, velocities to the bit. */
export function memoryOf(optimizer: SGD): string {
  const { momentum, weightDecay, dampening, nesterov, device, state } = optimizer;
  return JSON.stringify({ momentum, weightDecay, dampening, nesterov, device }) + bytesOf(state);
}

/** The elements of a leaf or of a tensor's data as plain numbers. */
export function numbers(data: ArrayLike<number>): number[] {
  return Array.from(data);
}

/** Takes an array's memory away, unless that has been done. */
export function detach(array: Float32Array): void {
  const buffer = array.buffer as ArrayBuffer;
  if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
}
