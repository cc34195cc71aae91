// Errors of the package, each with a stable `code`. Types and ranges have one shape ("what: expected E, received R");
// errors about state say what happened and what to do.

import { types } from 'node:util';

/** Stable codes of errors about arguments and the order of calls. */
export type ErrorCode =
  | 'aborted'
  | 'addon'
  | 'busy'
  | 'detached'
  | 'disposed'
  | 'dtype-mismatch'
  | 'file-mismatch'
  | 'invalid-file'
  | 'invalid-hyperparameter'
  | 'invalid-leaf'
  | 'invalid-option'
  | 'invalid-schedule'
  | 'invalid-shape'
  | 'invalid-state'
  | 'invalid-tree'
  | 'launcher-mismatch'
  | 'length-mismatch'
  | 'loss-scale'
  | 'memory-overlap'
  | 'missing-parameter'
  | 'no-gpu'
  | 'no-memory'
  | 'no-mpi'
  | 'no-tensorflow'
  | 'no-thread'
  | 'not-finite'
  | 'not-shared'
  | 'not-single'
  | 'shape-mismatch'
  | 'state-mismatch'
  | 'swapped-arguments'
  | 'world-failed'
  | 'world-mismatch'
  | 'world-state'
  | 'world-timeout';

/** Codes of GPU failures. */
export const METAL_CODES = [
  'access-revoked',
  'compile',
  'device-lost',
  'internal',
  'invalid-resource',
  'not-permitted',
  'out-of-memory',
  'page-fault',
  'self-test',
  'stack-overflow',
  'timeout',
] as const;

/**
 * Codes of GPU failures.
 *
 * @useDeclaredType
 */
export type MetalErrorCode = (typeof METAL_CODES)[number];

/** A failure of the GPU or its driver. `message` says what may be partly written. */
export class MetalError extends Error {
  override readonly name = 'MetalError';
  /** The failure; stable across versions. */
  readonly code: MetalErrorCode;

  constructor(code: MetalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Turns an error of the addon with a Metal code into a `MetalError`; returns any other as it is. */
export function asMetalError(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = METAL_CODES.find((one) => one === code);
  return known ? new MetalError(known, String(message), { cause: error }) : error;
}

/** The errors that carry a code of ours. */
const ours = new WeakSet<object>();

type ErrorClass = new (message: string, options?: { cause?: unknown }) => Error;

/** An error of class `kind` that carries `code`. */
export function coded(kind: ErrorClass, code: ErrorCode, message: string, cause?: unknown): Error {
  const error = cause === undefined ? new kind(message) : new kind(message, { cause });
  ours.add(error);
  return Object.assign(error, { code });
}

/** True for an error that this package made. */
export function isOurs(error: unknown): boolean {
  return typeof error === 'object' && error !== null && ours.has(error);
}

/** A wrong type: `what: expected E, received R`. */
export function typeError(code: ErrorCode, what: string, expected: string, received: unknown): Error {
  return coded(TypeError, code, `${what}: expected ${expected}, received ${show(received)}`);
}

/** A wrong value of the right type: `what: expected E, received R`. */
export function rangeError(code: ErrorCode, what: string, expected: string, received: unknown): Error {
  return coded(RangeError, code, `${what}: expected ${expected}, received ${show(received)}`);
}

/** Text that a message shows unquoted. */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** A value as an error message shows it: short, without running the value's own code. */
export function show(value: unknown): string {
  if (value instanceof Verbatim) return value.text;
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
    case 'bigint':
      return `${String(value)}n`;
    case 'symbol':
      return String(value);
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : showObject(value);
    default:
      return String(value);
  }
}

function showObject(value: object): string {
  if (types.isProxy(value)) return 'a proxy, which has no memory; pass what it stands for';
  try {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (Array.isArray(value)) return `an array of length ${String(value.length)}`;
    if (ArrayBuffer.isView(value) && tag !== 'DataView') {
      return `${tag} of length ${String((value as Uint8Array).length)}`;
    }
    if (tag !== 'Object') return tag;
    const maker: unknown = Object.getOwnPropertyDescriptor(
      (Object.getPrototypeOf(value) as object | null) ?? {},
      'constructor',
    )?.value;
    return typeof maker === 'function' && maker.name !== 'Object' ? `an instance of ${maker.name}` : 'an object';
  } catch {
    return 'an object that cannot be read';
  }
}

/** The options of known names, each read once. Throws for any other; `name` says whose options they are. */
export function checkKeys<K extends string>(
  name: string,
  options: unknown,
  known: readonly K[],
): Partial<Record<K, unknown>> {
  if (typeof options !== 'object' || options === null) throw typeError('invalid-option', name, 'an object', options);
  const given = Object.entries(options);
  for (const [key] of given) {
    if (!known.some((one) => one === key)) throw rangeError('invalid-option', name, `only ${known.join(', ')}`, key);
  }
  // Without a prototype, to which somebody may have added properties.
  return Object.assign(Object.create(null) as Partial<Record<K, unknown>>, Object.fromEntries(given));
}

/** Throws for anything but a boolean; `undefined` takes the default. */
export function checkFlag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw typeError('invalid-option', name, 'a boolean', value);
  return value;
}
