// Finds leaves that overlap in memory and must not.
import { coded } from '../errors';
import { byteLengthOf, type CheckedLeaf } from '../tree/leaf';
import { native } from '../addon/native';

interface Extent {
  readonly leaf: CheckedLeaf;
  readonly start: number;
  readonly end: number;
  readonly written: boolean;
}

/**
 * Throws if a written leaf shares a byte with any other leaf. Leaves that are only read may share memory.
 * Compares addresses, since several SharedArrayBuffers can show the same memory.
 */
export function checkSeparate(written: readonly CheckedLeaf[], read: readonly CheckedLeaf[]): void {
  const leaves = [...written, ...read];
  const addresses = native().addresses(leaves.map(({ data }) => data));
  const extents = leaves
    .map((leaf, i): Extent => {
      const start = addresses[i];
      return { leaf, start, end: start + byteLengthOf(leaf), written: i < written.length };
    })
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start);
  let lastWritten: Extent | undefined;
  let last: Extent | undefined;
  for (const extent of extents) {
    const other = extent.written ? last : lastWritten;
    if (other && other.end > extent.start) throw overlap(other.leaf, extent.leaf);
    if (!last || extent.end > last.end) last = extent;
    if (extent.written && (!lastWritten || extent.end > lastWritten.end)) lastWritten = extent;
  }
}

function overlap(a: CheckedLeaf, b: CheckedLeaf): Error {
  return coded(RangeError, 'memory-overlap', `${a.name} and ${b.name} overlap in memory; each needs its own`);
}
