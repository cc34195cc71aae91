// A folder with the checkpoints of one run: keeps the newest few, and finds the newest whole one.
import { mkdirSync, promises as files } from 'node:fs';
import { join } from 'node:path';
import { calledFrom, calledFromAsync, publicFunctionsOf } from '../caller';
import { type LoadedState, type LoadOptions, Search } from '../checkpoint/load';
import { isOurs } from '../safetensors/metadata';
import { checkPath } from '../safetensors/options';
import { readContents } from '../safetensors/read';
import type { SaveOptions } from '../checkpoint/save';
import { removeStale } from '../safetensors/leftovers';
import { checkKeys, rangeError, typeError } from '../errors';
import type { SGD } from './sgd';
import { systemError } from '../safetensors/errors';
import type { FileUrl } from '../tree/types';

/** Options of `CheckpointDirectory`. */
export interface CheckpointDirectoryOptions {
  /** Number of newest checkpoints to keep; default 3. */
  keep?: number | undefined;
}

/** 12 digits sort as text. */
const NAME = /^step-(\d{12,})\.safetensors$/;

/**
 * A folder with the checkpoints of one run: `step-000000001000.safetensors` and so on. The newest is the one
 * saved last.
 */
export class CheckpointDirectory {
  /** The folder. */
  readonly path: string;
  readonly #keep: number;

  /** The first save makes the folder. */
  constructor(path: string | FileUrl, options: CheckpointDirectoryOptions = {}) {
    [this.path, this.#keep] = calledFrom(new.target, () => {
      const { keep = 3 } = checkKeys('options', options, ['keep']);
      if (typeof keep !== 'number' || !Number.isSafeInteger(keep) || keep < 1) {
        throw rangeError('invalid-option', 'keep', 'a whole number from 1', keep);
      }
      return [checkPath(path), keep];
    });
  }

  /**
   * Saves the optimizer, as `SGD.save` does, then removes the oldest checkpoints and the leftovers of killed processes.
   *
   * @returns The path of the new checkpoint.
   */
  async save<P>(optimizer: SGD, options: SaveOptions<P> = {}): Promise<string> {
    return calledFromAsync(entryOf('save'), () => this.#save(optimizer, options));
  }

  async #save<P>(optimizer: SGD, options: SaveOptions<P>): Promise<string> {
    checkOptimizer(optimizer);
    // Its name holds the step, which is known only once pending steps are done.
    const path = await optimizer.save((step) => {
      mkdirSync(this.path, { recursive: true });
      return join(this.path, nameOf(step));
    }, options);
    if ((optimizer.world?.rank ?? 0) > 0) return path; // rank 0 has written it, and cleans up
    const others = (await this.#checkpoints()).filter((other) => other.path !== path);
    await makeNewest(path, others[0]?.saved ?? 0n);
    await Promise.all(others.slice(this.#keep - 1).map((old) => files.rm(old.path, { force: true })));
    return path;
  }

  /** The path of the newest whole checkpoint; `undefined` if there is none. */
  async newest(): Promise<string | undefined> {
    for (;;) {
      let isGone = false;
      for (const { path } of await this.#checkpoints()) {
        const is = await look(path);
        if (is === 'whole') return path;
        isGone ||= is === 'gone';
      }
      // What was removed meanwhile was pruned for a newer one.
      if (!isGone) return undefined;
    }
  }

  /**
   * Loads the newest whole checkpoint, as `SGD.load` does.
   *
   * @returns `undefined`, and changes nothing, if there is none.
   */
  async load<P>(optimizer: SGD, options: LoadOptions<P> = {}): Promise<LoadedState | undefined> {
    return calledFromAsync(entryOf('load'), () => {
      checkOptimizer(optimizer);
      // Like a path, so that the optimizer is held while the folder is read. Another process may remove what was found.
      const search = new Search(async () => {
        await removeStale(this.path);
        return this.newest();
      });
      return optimizer.load(search as unknown as string, options);
    });
  }

  /** All checkpoints, the last one saved first. */
  async #checkpoints(): Promise<Checkpoint[]> {
    let names: string[];
    try {
      names = await files.readdir(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw systemError(this.path, error);
    }
    const found = await Promise.all(names.filter((name) => NAME.test(name)).map((name) => this.#checkpoint(name)));
    return found
      .filter((one) => one !== undefined)
      .sort((a, b) => (a.saved === b.saved ? b.step - a.step : a.saved < b.saved ? 1 : -1));
  }

  /** `undefined` for what is no file: a folder, a socket, a link to itself, a file that was removed meanwhile. */
  async #checkpoint(name: string): Promise<Checkpoint | undefined> {
    const path = join(this.path, name);
    const entry = await files.stat(path, { bigint: true }).catch(() => undefined);
    if (!entry?.isFile()) return undefined;
    return { path, saved: entry.mtimeNs, step: Number(NAME.exec(name)?.[1]) };
  }
}

function checkOptimizer(optimizer: unknown): void {
  const { save, load } = (optimizer ?? {}) as { save?: unknown; load?: unknown };
  if (typeof save === 'function' && typeof load === 'function') return;
  throw typeError('invalid-option', 'optimizer', 'an SGD, then { parameters }', optimizer);
}

const entryOf = publicFunctionsOf(CheckpointDirectory.prototype);

interface Checkpoint {
  readonly path: string;
  /** The time of the file, in nanoseconds. */
  readonly saved: bigint;
  readonly step: number;
}

/** Sets a file's time after `last`, in nanoseconds, if it is not: a clock can jump back. */
async function makeNewest(path: string, last: bigint): Promise<void> {
  try {
    if ((await files.stat(path, { bigint: true })).mtimeNs > last) return;
    const later = Number(last / 1_000_000n) / 1000 + 0.002; // seconds
    await files.utimes(path, later, later);
  } catch {
    // A file system without times, or another process has removed the file: the checkpoint is whole all the same.
  }
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(12, '0')}.safetensors`;
}

/** Whether we wrote the file and it is complete, or another process has removed it. */
async function look(path: string): Promise<'whole' | 'other' | 'gone'> {
  try {
    return isOurs(path, await readContents(path)) ? 'whole' : 'other';
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'invalid-file') return 'other';
    if (code === 'ENOENT') return 'gone';
    throw error;
  }
}
