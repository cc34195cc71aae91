// A folder with the checkpoints of one run: keeps the newest few, and finds the newest whole one.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedState, LoadOptions } from '../checkpoint/load';
import { isOurs } from '../safetensors/metadata';
import { checkPath } from '../safetensors/options';
import { readContents } from '../safetensors/read';
import type { SaveOptions } from '../checkpoint/save';
import { removeStale } from '../safetensors/write';
import { checkKeys, rangeError } from '../errors';
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
 * A folder with the checkpoints of one run: `step-000000001000.safetensors` and so on. The newest has the highest step.
 * Use one folder for each run.
 */
export class CheckpointDirectory {
  /** The folder. */
  readonly path: string;
  readonly #keep: number;

  /** The first save makes the folder. */
  constructor(path: string | FileUrl, options: CheckpointDirectoryOptions = {}) {
    const { keep = 3 } = checkKeys('options', options, ['keep']);
    if (typeof keep !== 'number' || !Number.isSafeInteger(keep) || keep < 1) {
      throw rangeError('invalid-option', 'keep', 'a whole number from 1', keep);
    }
    this.path = checkPath(path);
    this.#keep = keep;
  }

  /**
   * Saves the optimizer, as `SGD.save` does, then removes the oldest checkpoints and the leftovers of killed processes.
   *
   * @returns The path of the new checkpoint.
   */
  async save<P>(optimizer: SGD, options: SaveOptions<P> = {}): Promise<string> {
    await mkdir(this.path, { recursive: true });
    // Its name holds the step, which is known only once pending steps are done.
    const path = await optimizer.save((step) => join(this.path, nameOf(step)), options);
    const others = (await this.#paths()).filter((other) => other !== path);
    await Promise.all(others.slice(this.#keep - 1).map((old) => rm(old, { force: true })));
    return path;
  }

  /** The path of the newest whole checkpoint; `undefined` if there is none. */
  async newest(): Promise<string | undefined> {
    for (const path of await this.#paths()) {
      if (await isWhole(path)) return path;
    }
    return undefined;
  }

  /**
   * Loads the newest whole checkpoint, as `SGD.load` does.
   *
   * @returns `undefined`, and changes nothing, if there is none.
   */
  async load<P>(optimizer: SGD, options: LoadOptions<P> = {}): Promise<LoadedState | undefined> {
    await removeStale(this.path);
    const path = await this.newest();
    return path === undefined ? undefined : optimizer.load(path, options);
  }

  /** The paths of all checkpoints, newest first. */
  async #paths(): Promise<string[]> {
    let names: string[];
    try {
      names = await readdir(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw systemError(this.path, error);
    }
    const stepOf = (name: string): number => Number(NAME.exec(name)?.[1]);
    return names
      .filter((name) => NAME.test(name))
      .sort((a, b) => stepOf(b) - stepOf(a))
      .map((name) => join(this.path, name));
  }
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(12, '0')}.safetensors`;
}

/** True if we wrote the file and it is complete. */
async function isWhole(path: string): Promise<boolean> {
  try {
    return isOurs(path, await readContents(path));
  } catch (error) {
    if ((error as { code?: unknown }).code === 'invalid-file') return false;
    if ((error as { code?: unknown }).code === 'ENOENT') return false; // removed by another process
    throw error;
  }
}
