// Writes a file so that its name always stands for a whole one: writes beside it, syncs, renames, syncs the folder.
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Batch, without } from './batch';
import { crypto } from '../crypto';
import type { Piece } from './header';
import { systemError } from './errors';

/**
 * Writes `pieces` in order to a new file, which replaces `path` once it is complete and on disk. If writing fails or the
 * process ends, the old file stays as it was.
 */
export async function writeWhole(path: string, pieces: readonly Piece[]): Promise<void> {
  const folder = dirname(path);
  const beside = join(folder, temporaryName(basename(path)));
  try {
    const handle = await open(beside, 'wx');
    try {
      await writePieces(handle, path, pieces);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw systemError(path, error);
  }
  await removeStale(folder);
}

/** The same file as bytes in memory. */
export function joinPieces(pieces: readonly Piece[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((size, { length }) => size + length, 0));
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
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// '.NAME.metal-sgd-HOST-PID-RANDOM.tmp' names the writer, so that the leftovers of a killed process can be recognised.
const TEMPORARY = /^\..+\.metal-sgd-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{12}\.tmp$/;

const thisHost = (): string => crypto().createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

function temporaryName(name: string): string {
  // File names have at most 255 bytes.
  const random = crypto().randomBytes(6).toString('hex');
  return `.${name.slice(0, 60)}.metal-sgd-${thisHost()}-${String(process.pid)}-${random}.tmp`;
}

/** A file whose time has not changed for this long has no writer any more. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** Removes the half-written files of killed processes. Never fails: such files do no harm. */
export async function removeStale(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names.map(async (name) => {
      const match = TEMPORARY.exec(name);
      if (!match) return;
      const [, writerHost, pid] = match;
      const path = join(folder, name);
      try {
        const { mtimeMs } = await stat(path);
        const isOurs = writerHost === thisHost();
        if (mtimeMs < Date.now() - ABANDONED_MS || (isOurs && isGone(Number(pid), mtimeMs))) await rm(path);
      } catch {
        // Another process removed it, or the folder is read-only.
      }
    }),
  );
}

/** True if the process that wrote a file at `mtimeMs` no longer runs on this machine. */
function isGone(pid: number, mtimeMs: number): boolean {
  // An earlier process may have had our number, above all in a container.
  if (pid === process.pid) return mtimeMs < Date.now() - process.uptime() * 1000 - 2000;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
