// Errors of the file system: Node's own, and always with the file's name.

import { types } from 'node:util';

/** The error itself if it names the file; else one with the same `code` that does. */
export function systemError(path: string, error: unknown): unknown {
  if (!types.isNativeError(error) || error.message.includes(path)) return error;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  return Object.assign(new Error(`${path}: ${error.message}`, { cause: error }), { code, errno, syscall, path });
}
