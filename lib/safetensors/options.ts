// Options of saving and loading, checked.
import { fileURLToPath } from 'node:url';
import { rangeError, typeError } from '../errors';

/** Options of known names. */
export function checkKeys<K extends string>(
  name: string,
  options: unknown,
  known: readonly K[],
): Partial<Record<K, unknown>> {
  if (typeof options !== 'object' || options === null) throw typeError('invalid-option', name, 'an object', options);
  for (const key of Object.keys(options)) {
    if (!known.some((one) => one === key)) throw rangeError('invalid-option', name, `only ${known.join(', ')}`, key);
  }
  return options;
}

/** A boolean, or its default. */
export function checkFlag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw typeError('invalid-option', name, 'a boolean', value);
  return value;
}

/** The path of a file. */
export function checkPath(path: unknown, name = 'path'): string {
  // Not by instanceof, for URLs of another realm.
  if (Object.prototype.toString.call(path) === '[object URL]') return fileURLToPath(path as URL);
  if (typeof path !== 'string') throw typeError('invalid-option', name, 'a string or a file URL', path);
  if (path === '') throw rangeError('invalid-option', name, 'a name', path);
  return path;
}

/** The bytes of a file in memory, as bytes of whatever view they were. */
export function checkBytes(bytes: unknown): Uint8Array {
  if (!ArrayBuffer.isView(bytes)) throw typeError('invalid-option', 'bytes', 'a Uint8Array', bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
