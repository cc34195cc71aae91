// The safetensors format: writes and reads the header. Reading trusts nothing: whatever it returns lies in the file, and
// neither overlaps nor leaves a hole. https://huggingface.co/docs/safetensors
import { isUtf8 } from 'node:buffer';
import { type Dtype, DTYPES } from '../tree/dtype';
import { coded, rangeError } from '../errors';
import { type Json, JsonError, OtherNumber, parseJson } from './json';
import { sizeOf } from '../tree/leaf';
import { strangerError } from './strangers';

/** The key of the metadata: strings for people and programs. */
export const METADATA = '__metadata__';

/** Bytes of the header's length. */
export const LENGTH_BYTES = 8;

/** The limit of the reference implementation, in bytes. */
const MAX_HEADER = 100_000_000;

/** Levels of JSON, as in the reference implementation. */
const MAX_DEPTH = 127;

/** Bits of one element, for every dtype that the format has today. */
const BITS: Readonly<Record<string, number>> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, U16: 16, I16: 16, F16: 16, BF16: 16 },
  ...{ U32: 32, I32: 32, F32: 32, U64: 64, I64: 64, F64: 64, C64: 64 },
};

/** A dtype's name, today's or a later one's. */
const DTYPE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;

const NAMES: Readonly<Record<Dtype, string>> = { float32: 'F32', float64: 'F64', float16: 'F16', bfloat16: 'BF16' };

/** A tensor as the header describes it. */
export interface Entry {
  readonly name: string;
  /** The format's name: 'F32'. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Byte offset of the elements in the file. */
  readonly start: number;
  readonly end: number;
}

/** What a file holds. */
export interface Contents {
  readonly entries: readonly Entry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tensor to write. */
export interface Item {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Its bytes, in order. */
  readonly parts: readonly Uint8Array[];
}

/** Bytes to write, and their count when the file was laid out: ordinary memory can be transferred away since. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** The format's name of a dtype. */
export function formatName(dtype: Dtype): string {
  return NAMES[dtype];
}

/** The dtype of a leaf that can hold such a tensor, if there is one. */
export function leafDtype(name: string): Dtype | undefined {
  return DTYPES.find((dtype) => NAMES[dtype] === name);
}

/** Undefined for a dtype that the format may have later. */
const bitsOf = (dtype: string): number | undefined => (Object.hasOwn(BITS, dtype) ? BITS[dtype] : undefined);

/**
 * Lays out header and data in the order of writing. Names keep their order in the header. Elements of larger dtypes come
 * first, so that each tensor is aligned.
 */
export function layOut(items: readonly Item[], metadata: Readonly<Record<string, string>>): Piece[] {
  const order = [...items].sort((a, b) => (bitsOf(b.dtype) ?? 0) - (bitsOf(a.dtype) ?? 0));
  const offsets = new Map<Item, [number, number]>();
  let end = 0;
  for (const item of order) {
    const size = item.parts.reduce((sum, { length }) => sum + length, 0);
    offsets.set(item, [end, (end += size)]);
  }
  const members = items.map((item) => {
    const { name, dtype, shape } = item;
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets.get(item) })}`;
  });
  // By hand: an object would sort names like '0' to the front and lose '__proto__'.
  const text = Buffer.from(`{${[`"${METADATA}":${JSON.stringify(metadata)}`, ...members].join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER) {
    throw rangeError('invalid-tree', 'names', `a header of at most ${String(MAX_HEADER)} bytes`, length);
  }
  const header = Buffer.alloc(LENGTH_BYTES + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, LENGTH_BYTES);
  return [header, ...order.flatMap(({ parts }) => parts)].map((bytes) => ({ bytes, length: bytes.length }));
}

/** An error about the contents of a file. `where` is a tensor or a byte. */
export function fileError(file: string, where: string, expected: string, received: string): Error {
  return coded(RangeError, 'invalid-file', `${file}: ${where}: expected ${expected}, received ${received}`);
}

/** The header's length in bytes, from the beginning of a file of `fileBytes`: `PROBE_BYTES` of it, or all. */
export function headerLength(file: string, beginning: Uint8Array, fileBytes: number): number {
  if (beginning.length < LENGTH_BYTES) {
    const error = fileError(file, 'byte 0', 'the 8 bytes of the header length', `a file of ${String(fileBytes)} bytes`);
    throw strangerError(file, beginning) ?? error;
  }
  const length = Buffer.from(beginning.buffer, beginning.byteOffset, LENGTH_BYTES).readBigUInt64LE();
  const most = Math.min(MAX_HEADER, fileBytes - LENGTH_BYTES);
  if (length > BigInt(most)) {
    const error = fileError(file, 'byte 0', `a header of at most ${String(most)} bytes`, `one of ${String(length)}`);
    throw strangerError(file, beginning) ?? error;
  }
  return Number(length);
}

/** Reads the head of a file of `fileBytes`: the header, and its length before it. */
export function readHead(file: string, head: Uint8Array, fileBytes: number): Contents {
  const members = parseHead(file, head);
  const metadata = readMetadata(file, members.get(METADATA) ?? null);
  const dataStart = head.length;
  const entries: Entry[] = [];
  for (const [name, value] of members) {
    if (name !== METADATA) entries.push(readEntry(file, name, value, dataStart));
  }
  checkLayout(file, entries, dataStart, fileBytes);
  return { entries, metadata };
}

function parseHead(file: string, head: Uint8Array): ReadonlyMap<string, Json> {
  const header = head.subarray(LENGTH_BYTES);
  const refuse = (error: Error): never => {
    throw strangerError(file, head) ?? error;
  };
  // Not by TextDecoder: some environments lack it, and a Node without ICU lacks its option `fatal`.
  if (!isUtf8(header)) refuse(fileError(file, `byte ${String(LENGTH_BYTES)}`, 'a header in UTF-8', 'other bytes'));
  const text = Buffer.from(header.buffer, header.byteOffset, header.length).toString('utf8');
  try {
    const json = parseJson(text, MAX_DEPTH);
    if (json instanceof Map && text.startsWith('{')) return json as ReadonlyMap<string, Json>;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const byte = LENGTH_BYTES + Buffer.byteLength(text.slice(0, error.at));
    return refuse(fileError(file, `byte ${String(byte)}`, error.expected, error.received));
  }
  return refuse(fileError(file, `byte ${String(LENGTH_BYTES)}`, 'a JSON object', JSON.stringify(text.slice(0, 20))));
}

/** MLX writes null instead of no metadata. */
function readMetadata(file: string, value: Json): ReadonlyMap<string, string> {
  if (value === null) return new Map();
  if (!isMap(value)) throw fileError(file, METADATA, 'an object or null', describe(value));
  for (const [key, text] of value) {
    if (typeof text !== 'string') {
      throw fileError(file, `${METADATA} ${JSON.stringify(key)}`, 'a string', describe(text));
    }
  }
  return value as ReadonlyMap<string, string>;
}

/** Other keys of a tensor mean nothing to the reference implementation, and nothing here. */
function readEntry(file: string, name: string, value: Json, dataStart: number): Entry {
  const where = `tensor ${JSON.stringify(name)}`;
  if (!isMap(value)) throw fileError(file, where, 'dtype, shape and data_offsets', describe(value));
  const dtype = value.get('dtype');
  if (typeof dtype !== 'string' || !DTYPE_NAME.test(dtype)) {
    throw fileError(file, where, `a dtype such as ${Object.keys(BITS).join(', ')}`, describe(dtype));
  }
  const shape = wholeNumbers(file, where, 'shape', value.get('shape'));
  const [start, end, ...more] = wholeNumbers(file, where, 'data_offsets', value.get('data_offsets'));
  if (more.length > 0 || !(start <= end) || !Number.isSafeInteger(dataStart + end)) {
    throw fileError(file, where, 'data_offsets [start, end]', `[${[start, end, ...more].join(', ')}]`);
  }
  const bits = bitsOf(dtype);
  const bytes = bits === undefined ? end - start : (sizeOf(shape) * bits) / 8;
  if (!Number.isSafeInteger(bytes) || bytes !== end - start) {
    const needed = `${String(bytes)} bytes for ${dtype} of shape [${shape.join(', ')}]`;
    throw fileError(file, `${where} at byte ${String(dataStart + start)}`, needed, String(end - start));
  }
  return { name, dtype, shape, start: dataStart + start, end: dataStart + end };
}

function wholeNumbers(file: string, where: string, what: string, value: Json | undefined): readonly number[] {
  const items = Array.isArray(value) ? (value as readonly Json[]) : undefined;
  if (items?.every((one): one is number => typeof one === 'number')) return items;
  const received = items ? `[${items.slice(0, 8).map(describe).join(', ')}]` : describe(value);
  throw fileError(file, `${where}.${what}`, 'an array of whole numbers from 0 to 2^53 - 1', received);
}

/** Throws unless the tensors, sorted by offset, fill the file from the header to its end. */
function checkLayout(file: string, entries: readonly Entry[], dataStart: number, fileBytes: number): void {
  const sorted = [...entries].sort((a, b) => a.start - b.start || a.end - b.end);
  let end = dataStart;
  for (const entry of sorted) {
    const where = `tensor ${JSON.stringify(entry.name)} at byte ${String(entry.start)}`;
    const what = entry.start < end ? 'an overlap' : 'a hole';
    if (entry.start !== end) throw fileError(file, where, `it at byte ${String(end)}`, what);
    if (entry.end > fileBytes) {
      throw fileError(file, where, `bytes up to ${String(entry.end)}`, `a file of ${String(fileBytes)} bytes`);
    }
    ({ end } = entry);
  }
  if (end !== fileBytes) {
    throw fileError(file, `byte ${String(end)}`, 'the end of the file', `${String(fileBytes - end)} bytes more`);
  }
}

const isMap = (value: Json): value is ReadonlyMap<string, Json> => value instanceof Map;

function describe(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof OtherNumber) return value.text.slice(0, 80);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value).slice(0, 80);
  return Array.isArray(value) ? 'an array' : 'an object';
}
