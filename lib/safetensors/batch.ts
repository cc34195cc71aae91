// Gathers many arrays into few system calls, on their way to or from a file.
import { types } from 'node:util';
import { coded } from '../errors';

/** Limits of one system call. */
const BATCH_BYTES = 64 * 2 ** 20;
const BATCH_VIEWS = 512;
/** Limit of the bytes held aside. */
const ASIDE_BYTES = 16 * 2 ** 20;

/** Part of an array, and its copy. */
interface Detour {
  readonly aside: Uint8Array;
  readonly target: Uint8Array;
  readonly offset: number;
}

/**
 * Adjacent bytes of a file, as arrays for one system call. The system works on shared memory directly. It works on a copy
 * of ordinary memory, which can be transferred away meanwhile.
 */
export class Batch {
  readonly #path: string;
  #views: Uint8Array[] = [];
  #bytes = 0;
  #detours: Detour[] = [];
  #aside: Uint8Array | undefined;
  #asideUsed = 0;

  /** `path` is for messages. */
  constructor(path: string) {
    this.#path = path;
  }

  get views(): readonly Uint8Array[] {
    return this.#views;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#views.length >= BATCH_VIEWS || this.#asideUsed >= ASIDE_BYTES;
  }

  /** Adds bytes of `target` from `offset` on, and returns how many. `target` has `length` bytes. */
  add(target: Uint8Array, offset: number, length: number): number {
    this.#checkThere(target, length);
    const room = Math.min(length - offset, BATCH_BYTES - this.#bytes);
    if (types.isSharedArrayBuffer(target.buffer)) {
      this.#views.push(target.subarray(offset, offset + room));
      this.#bytes += room;
      return room;
    }
    this.#aside ??= new Uint8Array(ASIDE_BYTES);
    const aside = this.#aside.subarray(this.#asideUsed, Math.min(this.#asideUsed + room, ASIDE_BYTES));
    const count = aside.length;
    this.#asideUsed += count;
    this.#bytes += count;
    this.#views.push(aside);
    this.#detours.push({ aside, target, offset });
    return count;
  }

  /** Fills the copies, before writing. */
  collect(): void {
    for (const { aside, target, offset } of this.#detours) {
      this.#checkThere(target, offset + aside.length);
      aside.set(target.subarray(offset, offset + aside.length));
    }
  }

  /** Empties the copies into their arrays, after reading. */
  deliver(): void {
    for (const { aside, target, offset } of this.#detours) {
      this.#checkThere(target, offset + aside.length);
      target.set(aside, offset);
    }
  }

  /** Starts over, empty. */
  restart(): void {
    this.#views = [];
    this.#bytes = 0;
    this.#detours = [];
    this.#asideUsed = 0;
  }

  #checkThere(target: Uint8Array, end: number): void {
    if (target.length >= end) return;
    throw coded(
      TypeError,
      'detached',
      `${this.#path}: an array's buffer was detached while the file was being read or written`,
    );
  }
}

/** The views without their first `count` bytes. */
export function without(views: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  return views.flatMap((view) => {
    const gone = Math.min(skip, view.length);
    skip -= gone;
    return gone === view.length ? [] : [view.subarray(gone)];
  });
}
