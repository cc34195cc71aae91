// Half-written files: names that tell who writes them, and the removal of those that killed processes left.
import { promises as files, readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { crypto } from '../builtins';

// '.NAME.metal-sgd-SCOPE-PID[-START]-RANDOM.tmp'. NAME may hold any character, line breaks too.
const TEMPORARY = /^\..+\.metal-sgd-([0-9a-f]{8})-([0-9]+)(?:-([0-9]+))?-[0-9a-f]{12}\.tmp$/s;

/** A file whose time has not changed for this long has no writer any more. A writer that still runs writes it again. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** Files that are looked at together: a folder can hold any number of them. */
const TOGETHER = 16;

/** The name under which this process writes the file `name`. */
export function temporaryName(name: string): string {
  const random = crypto().randomBytes(6).toString('hex');
  const start = startOf(textOf('/proc/self/stat'));
  const writer = [scope(), String(process.pid), ...(start === undefined ? [] : [start]), random].join('-');
  // File names have at most 255 bytes.
  return `.${name.slice(0, 50)}.metal-sgd-${writer}.tmp`;
}

/** Removes the half-written files of killed processes. Never fails: such files do no harm. */
export async function removeStale(folder: string): Promise<void> {
  const names = (await files.readdir(folder).catch(() => [])).filter((name) => TEMPORARY.test(name));
  for (let i = 0; i < names.length; i += TOGETHER) {
    await Promise.all(names.slice(i, i + TOGETHER).map((name) => removeIfStale(folder, name)));
  }
}

async function removeIfStale(folder: string, name: string): Promise<void> {
  const [, writersScope, pid, start] = TEMPORARY.exec(name) ?? [];
  const path = join(folder, name);
  try {
    const { mtimeMs } = await files.lstat(path);
    const isGone = writersScope === scope() && (await hasEnded(Number(pid), start, mtimeMs));
    if (isGone || mtimeMs < Date.now() - ABANDONED_MS) await files.rm(path);
  } catch {
    // Another process removed it, or the folder is read-only.
  }
}

/** True if the process that wrote a file at `mtimeMs` no longer runs in this scope. */
async function hasEnded(pid: number, start: string | undefined, mtimeMs: number): Promise<boolean> {
  // A later process can have its number, but not its start too.
  if (start !== undefined)
    return startOf(await files.readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '')) !== start;
  if (pid === process.pid) return mtimeMs < Date.now() - process.uptime() * 1000 - 2000;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

let ourScope: string | undefined;

/**
 * Where a process number means one process: on Linux a namespace of process numbers since the machine's start, whatever
 * the host is called; elsewhere a machine. A number means nothing to a process that can't tell.
 */
function scope(): string {
  if (ourScope !== undefined) return ourScope;
  const { createHash, randomUUID } = crypto();
  let name: string;
  try {
    name =
      process.platform === 'linux'
        ? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1') + readlinkSync('/proc/self/ns/pid')
        : hostname() + JSON.stringify(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ mac }) => mac)));
  } catch {
    name = randomUUID();
  }
  return (ourScope = createHash('sha256').update(name).digest('hex').slice(0, 8));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The start of a process in ticks since the machine's, of its /proc/PID/stat; `undefined` where there is none. */
function startOf(stat: string): string | undefined {
  // The second field, the command, can hold anything, parentheses too. The start is field 22.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
