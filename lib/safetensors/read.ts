// Reads a safetensors file: the header first, then the elements straight into their arrays.
import { constants, promises as files } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Batch, without } from './batch';
import { type Contents, fileError, headerLength, LENGTH_BYTES, readHead } from './header';
import { systemError } from './errors';
import { PROBE_BYTES } from './strangers';

/** A range of bytes in a file, and their target. */
export interface Read {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/**
 * A load in progress. It yields the next reads, and resumes once they are done. It checks everything before it yields
 * reads into the caller's arrays, and commits after the last.
 */
export type Loading<R> = Generator<readonly Read[], R, undefined>;

/** Loads from bytes in memory. */
export function loadBytes<R>(name: string, bytes: Uint8Array, load: (contents: Contents) => Loading<R>): R {
  const length = headerLength(name, bytes.subarray(0, PROBE_BYTES), bytes.length);
  const loading = load(readHead(name, bytes.subarray(0, LENGTH_BYTES + length), bytes.length));
  let next = loading.next();
  for (; !next.done; next = loading.next()) {
    for (const { start, end, bytes: to } of next.value) to.set(bytes.subarray(start, end));
  }
  return next.value;
}

/** Loads from a file. It stays open: if another file takes its name meanwhile, the old one is read to its end. */
export async function loadFile<R>(path: string, load: (contents: Contents) => Loading<R>): Promise<R> {
  const file = await OpenFile.open(path);
  try {
    const loading = load(await file.contents());
    let next = loading.next();
    for (; !next.done; next = loading.next()) {
      await file.fill(next.value);
      await file.checkUnchanged();
    }
    return next.value;
  } finally {
    await file.close();
  }
}

/** The contents of a file by its header, after a check that the file is complete. */
export async function readContents(path: string): Promise<Contents> {
  const file = await OpenFile.open(path);
  try {
    return await file.contents();
  } finally {
    await file.close();
  }
}

class OpenFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #modified: bigint;

  private constructor(path: string, handle: FileHandle, size: number, modified: bigint) {
    this.#path = path;
    this.#handle = handle;
    this.#size = size;
    this.#modified = modified;
  }

  static async open(path: string): Promise<OpenFile> {
    // Non-blocking: a pipe would wait for a writer.
    const nonBlocking = (constants as { O_NONBLOCK?: number }).O_NONBLOCK ?? 0;
    const handle = await orNamed(path, files.open(path, constants.O_RDONLY | nonBlocking));
    try {
      const stat = await orNamed(path, handle.stat({ bigint: true }));
      if (!stat.isFile()) throw fileError(path, 'byte 0', 'a file', stat.isDirectory() ? 'a folder' : 'a device');
      return new OpenFile(path, handle, Number(stat.size), stat.mtimeNs);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async contents(): Promise<Contents> {
    const beginning = new Uint8Array(Math.min(PROBE_BYTES, this.#size));
    await this.#readAll(0, [beginning]);
    const head = new Uint8Array(LENGTH_BYTES + headerLength(this.#path, beginning, this.#size));
    await this.#readAll(0, [head]);
    return readHead(this.#path, head, this.#size);
  }

  async fill(reads: readonly Read[]): Promise<void> {
    const batch = new Batch(this.#path);
    let next = 0;
    for (const { start, end, bytes } of [...reads].sort((a, b) => a.start - b.start)) {
      const length = end - start;
      if (next !== start) await this.#readBatch(batch, next);
      next = start;
      for (let done = 0; done < length; next = start + done) {
        done += batch.add(bytes, done, length);
        if (batch.isFull) await this.#readBatch(batch, start + done);
      }
    }
    await this.#readBatch(batch, next);
  }

  /** Reads the batch's bytes, which end at `end`. */
  async #readBatch(batch: Batch, end: number): Promise<void> {
    await this.#readAll(end - batch.bytes, batch.views);
    batch.deliver();
    batch.restart();
  }

  async #readAll(start: number, wanted: readonly Uint8Array[]): Promise<void> {
    let views: readonly Uint8Array[] = wanted.filter(({ length }) => length > 0);
    for (let at = start; views.length > 0;) {
      const { bytesRead } = await orNamed(this.#path, this.#handle.readv(views, at));
      if (bytesRead === 0) throw fileError(this.#path, `byte ${String(at)}`, 'more', 'the end of the file');
      at += bytesRead;
      views = without(views, bytesRead);
    }
  }

  /** The only way to notice that the file was modified while we read it. */
  async checkUnchanged(): Promise<void> {
    const { size, mtimeNs } = await orNamed(this.#path, this.#handle.stat({ bigint: true }));
    if (Number(size) === this.#size && mtimeNs === this.#modified) return;
    throw fileError(this.#path, 'byte 0', 'a file that nobody writes while it is read', 'one that has changed');
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function orNamed<T>(path: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw systemError(path, error);
  }
}
