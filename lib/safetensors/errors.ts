// Errors of the file system: Node's own, always with a code that says what it is and with the file's name.
import { constants } from 'node:os';
import { types } from 'node:util';

/** How Node calls a number that it has no name for, such as those of network shares and of quotas. */
const NAMELESS = 'Unknown system error';

/** The error itself if it has a code and names the file; else one that does. */
export function systemError(path: string, error: unknown): unknown {
  if (!types.isNativeError(error)) return error;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  const name = code?.startsWith(NAMELESS) ? nameOf(errno) : undefined;
  if (error.message.includes(path) && name === undefined) return error;
  const message = name === undefined ? error.message : `${name}: ${error.message}`;
  return Object.assign(new Error(`${path}: ${message}`, { cause: error }), {
    code: name ?? code,
    errno,
    syscall,
    path,
  });
}

/** The system's own name of an error's number: `EDQUOT`, `ESTALE`. `UNKNOWN`, as Node says on Windows, if it has none. */
function nameOf(errno: number | undefined): string {
  const [name] = Object.entries(constants.errno).find(([, number]) => number === -(errno ?? 0)) ?? ['UNKNOWN'];
  return name;
}
