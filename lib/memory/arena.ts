// Arenas: shared memory for the leaves of one tree, laid out so that one dispatch can step them all.
//
// An arena is one SharedArrayBuffer: a header, then the leaves from the first page boundary on, each at a multiple of 256
// bytes, then the rest of the last page. The header is part of the memory, so that a worker with the memory has the layout.
import { constants as constantsOfBuffers } from 'node:buffer';
import { types } from 'node:util';
import { crypto } from '../builtins';
import { type Dtype, itemSize, type LeafData, viewOf } from '../tree/dtype';
import { coded, rangeError, Verbatim } from '../errors';
import { showShape, sizeOf } from '../tree/leaf';
import { constants, native } from '../addon/native';

/** Every leaf begins at a multiple of this many bytes. */
const LEAF_ALIGNMENT = 256;

// The header, in 8-byte words: magic, id, address of the header, offset of the first leaf, number of leaves, then the byte
// length of each leaf. The address distinguishes an arena from a copy of its bytes.
const MAGIC = 0x6d65_7461_6c73_6764n; // 'metalsgd'
const HEADER_WORDS = 5;

/** The layout of an arena. */
export interface Arena {
  /** All leaves and the rest of their last page, from a page boundary on. */
  readonly pages: Float64Array;
  /** Identifies this memory, in every environment of the process. */
  readonly id: bigint;
  /** Byte offset of each leaf in the buffer, ascending. */
  readonly starts: Float64Array;
  readonly byteLengths: Float64Array;
}

const known = new WeakMap<object, Arena>();

const collected = new FinalizationRegistry<number>((bytes) => {
  native().adjustExternalMemory(-bytes);
});

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** A leaf to allocate. */
export interface LeafSpec {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Elements that a typed array can have: 2^32 on Node 20, no limit that memory has on newer ones. */
const MAX_ELEMENTS = constantsOfBuffers.MAX_LENGTH;

function checkSizes(specs: readonly LeafSpec[], bytes: number): void {
  const tooLong = specs.find(({ shape }) => sizeOf(shape) > MAX_ELEMENTS);
  const hint = 'make smaller ones, or use Node 22 or newer';
  if (tooLong) {
    const expected = `a tensor of at most ${String(MAX_ELEMENTS)} elements on this Node (${hint})`;
    throw rangeError('invalid-shape', 'shape', expected, new Verbatim(showShape(tooLong.shape)));
  }
  // The pages of an arena are one array.
  if (bytes / 8 > MAX_ELEMENTS) {
    const expected = `a tree of at most ${String(MAX_ELEMENTS * 8)} bytes on this Node (${hint})`;
    throw rangeError('invalid-shape', 'shape', expected, bytes);
  }
}

/** Allocates zeros for each leaf, in one new arena. 16-bit dtypes come as words. */
export function allocate(specs: readonly LeafSpec[]): LeafData[] {
  const byteLengths = Float64Array.from(specs, ({ dtype, shape }) => sizeOf(shape) * itemSize(dtype));
  const headerBytes = (HEADER_WORDS + specs.length) * 8;
  const page = constants().arenaPage;
  const dataBytes = byteLengths.reduce((end, bytes) => roundUp(end, LEAF_ALIGNMENT) + bytes, 0);
  const buffer = allocateShared(headerBytes + page + roundUp(dataBytes, page));
  checkSizes(specs, roundUp(dataBytes, page)); // after the system, which tells of sizes beyond all memory

  const address = addressOf(buffer);
  const first = roundUp(address + headerBytes, page) - address;
  writeHeader(buffer, address, first, byteLengths);
  const arena = readHeader(buffer);
  if (!arena) throw new Error('an arena has no header');
  return specs.map(({ dtype, shape }, i) => viewOf(dtype, buffer, arena.starts[i], sizeOf(shape)));
}

function allocateShared(bytes: number): SharedArrayBuffer {
  let buffer: SharedArrayBuffer;
  try {
    buffer = createShared(bytes);
  } catch (cause) {
    throw coded(
      RangeError,
      'invalid-shape',
      `expected memory for ${String(bytes)} bytes, received none from the system`,
      cause,
    );
  }
  // V8 doesn't count shared memory: without this, its collector would let dropped arenas pile up.
  native().adjustExternalMemory(bytes);
  collected.register(buffer, bytes);
  native().askForHugePages(new Float64Array(buffer, 0, Math.floor(bytes / 8)));
  return buffer;
}

/** Growable if possible: V8 takes those by page from the system. Node 20 has none of 4 GiB and more. */
function createShared(bytes: number): SharedArrayBuffer {
  if (bytes < 2 ** 32) return new SharedArrayBuffer(bytes, { maxByteLength: bytes });
  return new SharedArrayBuffer(bytes);
}

function addressOf(buffer: SharedArrayBuffer): number {
  return native().addresses([new Uint8Array(buffer, 0, 1)])[0];
}

function writeHeader(buffer: SharedArrayBuffer, address: number, first: number, byteLengths: Float64Array): void {
  new BigUint64Array(buffer, 0, 1)[0] = MAGIC;
  crypto().randomFillSync(new Uint8Array(buffer, 8, 8));
  const numbers = new Float64Array(buffer, 0, HEADER_WORDS + byteLengths.length);
  numbers.set([address, first, byteLengths.length], 2);
  numbers.set(byteLengths, HEADER_WORDS);
}

/** Reads the header; undefined if there is none, or a wrong one: other threads can write it. */
function readHeader(buffer: SharedArrayBuffer): Arena | undefined {
  if (buffer.byteLength < HEADER_WORDS * 8) return undefined;
  const [magic, id] = new BigUint64Array(buffer, 0, 2) as unknown as [bigint, bigint];
  if (magic !== MAGIC) return undefined;
  const [address, first, count] = new Float64Array(buffer, 16, 3);
  if (address !== addressOf(buffer)) return undefined;
  if (!(Number.isSafeInteger(count) && count >= 0 && first >= (HEADER_WORDS + count) * 8)) return undefined;
  if (!(first <= buffer.byteLength)) return undefined;
  const byteLengths = new Float64Array(buffer, HEADER_WORDS * 8, count).slice();
  const starts = new Float64Array(count);
  let end = first;
  byteLengths.forEach((bytes, i) => {
    starts[i] = first + roundUp(end - first, LEAF_ALIGNMENT);
    end = starts[i] + bytes;
  });
  const pageBytes = roundUp(end - first, constants().arenaPage);
  if (!(first + pageBytes <= buffer.byteLength)) return undefined;
  const arena = { id, pages: new Float64Array(buffer, first, pageBytes / 8), starts, byteLengths };
  known.set(buffer, arena);
  return arena;
}

/** The arena in the buffer, made here or in another environment; undefined for any other memory. */
export function arenaOf(buffer: ArrayBufferLike): Arena | undefined {
  if (!types.isSharedArrayBuffer(buffer)) return undefined;
  return known.get(buffer) ?? readHeader(buffer);
}

/** Where a leaf lies: its arena, and which leaf of the arena it is, whole; -1 for part of one. */
export interface Place {
  readonly arena: Arena;
  readonly leaf: number;
}

/** The place of these bytes; undefined unless they lie in the pages of an arena. */
export function placeOf(buffer: ArrayBufferLike, byteOffset: number, byteLength: number): Place | undefined {
  const arena = arenaOf(buffer);
  if (!arena) return undefined;
  const start = byteOffset - arena.pages.byteOffset;
  if (start < 0 || start + byteLength > arena.pages.byteLength) return undefined;
  return { arena, leaf: leafIndex(arena, byteOffset, byteLength) };
}

/** Which leaf of the arena these bytes are, whole; -1 if they are none. */
export function leafIndex(arena: Arena, byteOffset: number, byteLength: number): number {
  let low = 0;
  let high = arena.starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (arena.starts[middle] < byteOffset) low = middle + 1;
    else high = middle;
  }
  // Empty leaves share a start with the one after them.
  while (arena.starts[low] === byteOffset && arena.byteLengths[low] !== byteLength) low++;
  return arena.starts[low] === byteOffset ? low : -1;
}
