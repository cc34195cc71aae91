// Our own entries in `__metadata__`: strings by name, which MLX and others ignore.
import { DTYPES } from '../tree/dtype';
import { rangeError, typeError } from '../errors';
import { isWellFormed } from './json';
import { type CheckedLeaf } from '../tree/leaf';
import { type Contents, fileError, METADATA } from './header';

/** Prefix of our names. */
const OURS = 'metal-sgd.';

/** Version of our entries: the one we write, and the latest we read. */
const VERSION = 1;

/** A user's own strings in a file. */
export type Metadata = Readonly<Record<string, string>>;

/** Checks a user's strings. */
export function checkMetadata(metadata: unknown): Metadata {
  if (metadata === undefined) return {};
  if (typeof metadata !== 'object' || metadata === null) {
    throw typeError('invalid-option', 'metadata', 'an object of strings', metadata);
  }
  for (const [key, value] of Object.entries(metadata)) {
    const name = `metadata.${key}`;
    if (typeof value !== 'string') throw typeError('invalid-option', name, 'a string', value);
    if (key.startsWith(OURS)) throw rangeError('invalid-option', name, `a key that does not begin with ${OURS}`, key);
    if (!isWellFormed(key + value)) throw rangeError('invalid-option', name, 'Unicode', value);
  }
  return Object.fromEntries(Object.entries(metadata as Metadata));
}

/** All metadata of a file. Hugging Face's tools look for `format`; the user may replace it. */
export function metadataOf(
  notes: Readonly<Record<string, string | number | boolean | undefined>>,
  leaves: readonly CheckedLeaf[],
  users: Metadata,
): Metadata {
  const dtypes = DTYPES.filter((dtype) => leaves.some((leaf) => leaf.dtype === dtype)).join(' ');
  const all: Readonly<Record<string, string | number | boolean | undefined>> = { version: VERSION, dtypes, ...notes };
  const ours = Object.entries(all).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[OURS + key, textOf(value)]],
  );
  return Object.fromEntries([['format', 'mlx'], ...ours, ...Object.entries(users)]);
}

/** Numbers read back as they were, -0 included. */
const textOf = (value: string | number | boolean): string => (Object.is(value, -0) ? '-0' : String(value));

/** True if this package wrote the file. Throws if a later version did. */
export function isOurs(file: string, { metadata }: Contents): boolean {
  const version = metadata.get(`${OURS}version`);
  if (version === undefined) return false;
  if (version === String(VERSION)) return true;
  throw fileError(file, METADATA, `${OURS}version ${String(VERSION)}`, JSON.stringify(version));
}

/** The text of one of our entries. */
export function noteIn({ metadata }: Contents, name: string): string | undefined {
  return metadata.get(OURS + name);
}

/** The user's strings. */
export function usersMetadata({ metadata }: Contents): Metadata {
  return Object.fromEntries([...metadata].filter(([key]) => !key.startsWith(OURS)));
}
