// Bytes on their way between a file and memory, gathered so that few calls of the system carry many arrays.
import { types } from 'node:util';
import { coded } from '../errors';

/** Most that is asked of the system at once. */
const BATCH_BYTES = 64 * 2 ** 20;
const BATCH_VIEWS = 512;
/** Most that is held aside. */
const ASIDE_BYTES = 16 * 2 ** 20;

/** Part of an array, and where it waits meanwhile. */
interface Detour {
  readonly aside: Uint8Array;
  readonly target: Uint8Array;
  readonly offset: number;
}

/**
 * Neighbouring bytes of a file, as the arrays that the system reads into or writes from: shared memory itself, but
 * ordinary memory, which can be taken away while the system works on it, by a detour.
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

  /** Takes up bytes of `target`, which has `length`, from `offset` on; tells how many. */
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

  /** Before writing. */
  collect(): void {
    for (const { aside, target, offset } of this.#detours) {
      this.#checkThere(target, offset + aside.length);
      aside.set(target.subarray(offset, offset + aside.length));
    }
  }

  /** After reading. */
  deliver(): void {
    for (const { aside, target, offset } of this.#detours) {
      this.#checkThere(target, offset + aside.length);
      target.set(aside, offset);
    }
  }

  /** Empties it, for the next ones. */
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

/** What is left of the views after their first `count` bytes. */
export function without(views: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  return views.flatMap((view) => {
    const gone = Math.min(skip, view.length);
    skip -= gone;
    return gone === view.length ? [] : [view.subarray(gone)];
  });
}
