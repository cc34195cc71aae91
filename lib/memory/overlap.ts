// Finds leaves that overlap in memory and must not.
import { coded } from '../errors';
import type { LeafData } from '../tree/dtype';
import { byteLengthOfData, type CheckedLeaf } from '../tree/leaf';
import { native } from '../addon/native';

/** Where elements lie: addresses. */
export interface Extent {
  /** Which of the arrays it is. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** The places of arrays that are not empty, ascending. By address, since several SharedArrayBuffers can show the same memory. */
export function extentsOf(arrays: readonly LeafData[]): Extent[] {
  const addresses = native().addresses(arrays);
  return arrays
    .map((array, index) => ({ index, start: addresses[index], end: addresses[index] + byteLengthOfData(array) }))
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start);
}

/** Throws if a written leaf shares a byte with any other leaf. Leaves that are only read may share memory. */
export function checkSeparate(written: readonly CheckedLeaf[], read: readonly CheckedLeaf[]): void {
  const leaves = [...written, ...read];
  let lastWritten: Extent | undefined;
  let last: Extent | undefined;
  for (const extent of extentsOf(leaves.map(({ data }) => data))) {
    const isWritten = extent.index < written.length;
    const other = isWritten ? last : lastWritten;
    if (other && other.end > extent.start) throw overlap(leaves[other.index], leaves[extent.index]);
    if (!last || extent.end > last.end) last = extent;
    if (isWritten && (!lastWritten || extent.end > lastWritten.end)) lastWritten = extent;
  }
}

function overlap(a: CheckedLeaf, b: CheckedLeaf): Error {
  return coded(RangeError, 'memory-overlap', `${a.name} and ${b.name} overlap in memory; each needs its own`);
}
