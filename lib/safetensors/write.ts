// Writes a file so that its name always stands for a whole one: writes beside it, syncs, renames, syncs the folder.
import { promises as files } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Batch, without } from './batch';
import type { Piece } from './header';
import { coded } from '../errors';
import { systemError } from './errors';
import type { Bytes } from './options';
import { removeStale, temporaryName } from './leftovers';

/** How often a file is written anew that vanished before it was whole. */
const TRIES = 5;

/** Links that lead from one to the next, as on Linux. */
const MAX_LINKS = 40;

/** Bits of a file's mode that a new file takes over. */
const PERMISSIONS = 0o777;

/**
 * Writes `pieces` in order to a new file, which replaces `path` once it is complete and on disk. If writing fails or the
 * process ends, the old file stays as it was. A link stays, and what it points to is replaced. The new file has the
 * permissions of the old one.
 *
 * @throws Error with the system's code; `EINVAL` where `path` is no regular file.
 */
export async function writeWhole(path: string, pieces: readonly Piece[]): Promise<void> {
  let folder: string;
  try {
    const target = await behindLinks(path);
    folder = dirname(target);
    const mode = await modeOf(path, target);
    for (let tries = 1; !(await replace(path, target, pieces, mode, tries === TRIES)); tries++);
  } catch (error) {
    throw systemError(path, error);
  }
  // The file is whole and in its place: what can't be made safer, or tidied up, is no failure.
  await syncFolder(folder).catch(() => undefined);
  await removeStale(folder);
}

/** Writes a file beside `target` and renames it. False if somebody removed it before: its writer seemed to be gone. */
async function replace(
  path: string,
  target: string,
  pieces: readonly Piece[],
  mode: number | undefined,
  isLast: boolean,
): Promise<boolean> {
  const beside = join(dirname(target), temporaryName(basename(target)));
  try {
    const handle = await files.open(beside, 'wx', mode);
    try {
      // The process's mask does not hold for permissions that are there. A file system without any refuses.
      if (mode !== undefined) await handle.chmod(mode).catch(() => undefined);
      await writePieces(handle, path, pieces);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await files.rename(beside, target);
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (!isLast && code === 'ENOENT' && syscall === 'rename') return false;
    await files.rm(beside, { force: true }).catch(() => undefined);
    if (syscall === 'rename' && (code === 'EBUSY' || code === 'EXDEV')) throw mounted(path, error, code);
    throw error;
  }
}

/** The file that is to be replaced: the last of a chain of links, which need not exist. */
async function behindLinks(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const entry = await files.lstat(target).catch(() => undefined);
    if (!entry?.isSymbolicLink()) return target;
    // '..' in a link counts from the link's real folder.
    target = resolve(await files.realpath(dirname(target)), await files.readlink(target));
  }
  throw refusal(path, 'ELOOP', 'expected a file, received a link that leads to itself');
}

/** The permissions of a file that is there. Throws where something else is. */
async function modeOf(path: string, target: string): Promise<number | undefined> {
  const entry = await files.stat(target).catch(() => undefined);
  if (entry === undefined) return undefined;
  if (entry.isFile()) return entry.mode & PERMISSIONS;
  if (entry.isDirectory()) throw refusal(path, 'EISDIR', 'expected a file, received a folder; add a name to the path');
  const kind = entry.isFIFO() ? 'a FIFO' : entry.isSocket() ? 'a socket' : 'a device';
  throw refusal(path, 'EINVAL', `expected a file, received ${kind}; for bytes use toBytes`);
}

const refusal = (path: string, code: string, what: string): Error =>
  Object.assign(new Error(`${path}: ${what}`), { code, path });

/** Such a file can be written in place alone, which would lose the old one if the process ends meanwhile. */
function mounted(path: string, cause: unknown, code: string): Error {
  const what = 'the file is mounted by itself, and can not be replaced; mount its folder, or save beside it';
  return Object.assign(new Error(`${path}: ${what}`, { cause }), { code, path });
}

/** The same file as bytes in memory. Throws where this Node has no byte array of that length. */
export function joinPieces(pieces: readonly Piece[]): Bytes {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  let bytes: Bytes;
  try {
    bytes = new Uint8Array(size);
  } catch (cause) {
    const message = `toBytes: expected memory for an array of ${String(size)} bytes, received none from Node; save to a file`;
    throw coded(RangeError, 'no-memory', message, cause);
  }
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece.bytes, end);
    end += piece.length;
  }
  return bytes;
}

async function writePieces(handle: FileHandle, path: string, pieces: readonly Piece[]): Promise<void> {
  const batch = new Batch(path);
  for (const { bytes, length } of pieces) {
    for (let done = 0; done < length;) {
      done += batch.add(bytes, done, length);
      if (batch.isFull) await writeBatch(handle, batch);
    }
  }
  await writeBatch(handle, batch);
}

async function writeBatch(handle: FileHandle, batch: Batch): Promise<void> {
  batch.collect();
  for (let { views } = batch; views.length > 0;) {
    const { bytesWritten } = await handle.writev(views);
    views = without(views, bytesWritten);
  }
  batch.restart();
}

/** Without this, a crash of the machine could undo the rename. Windows neither offers nor needs it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await files.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
