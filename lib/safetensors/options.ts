// Checks of paths and of bytes in memory.
import { fileURLToPath } from 'node:url';
import { rangeError, typeError } from '../errors';

/** The path of a file. */
export function checkPath(path: unknown, name = 'path'): string {
  // Not by instanceof: the URL may belong to another realm.
  if (Object.prototype.toString.call(path) === '[object URL]') return fileURLToPath(path as URL);
  if (typeof path !== 'string') throw typeError('invalid-option', name, 'a string or a file URL', path);
  if (path === '') throw rangeError('invalid-option', name, 'a name', path);
  return path;
}

/** The bytes of a file in memory, from any kind of view. */
export function checkBytes(bytes: unknown): Uint8Array {
  if (!ArrayBuffer.isView(bytes)) throw typeError('invalid-option', 'bytes', 'a Uint8Array', bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A `Uint8Array` over ordinary memory, in terms that every TypeScript has: a `Blob` or a `Response` takes it. */
export type Bytes = ReturnType<Uint8ArrayConstructor['from']>;
