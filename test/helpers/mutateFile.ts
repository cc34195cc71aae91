// Safetensors files that are wrong in ways that a parser can trip over: structure-aware mutations of a right one.
import { randomWords } from './random';

type Word = () => number;

const pick = <T>(word: Word, items: readonly T[]): T => items[word() % items.length];

const NUMBERS = [
  '0',
  '1',
  '-1',
  '7',
  '8',
  '255',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '1e3',
  '1.5',
  '-0',
];
NUMBERS.push('18446744073709551615', '99999999999999999999999', '00', 'NaN', 'null', '""', '[]', '{}', 'true');

const WORDS = [
  'F32',
  'F64',
  'BF16',
  'F16',
  'I64',
  'U8',
  'F4',
  'f32',
  '__proto__',
  'constructor',
  '__metadata__',
  'a',
  '',
];
WORDS.push('dtype', 'shape', 'data_offsets', 'step', '\\ud800', '\\u0000', 'a.b', 'ø');

/** One change of the header's text. */
const TEXT_MUTATIONS: readonly ((text: string, word: Word) => string)[] = [
  (text, word) => replaceOne(text, /-?\d+/g, word, () => pick(word, NUMBERS)),
  (text, word) => replaceOne(text, /"[^"]*"/g, word, () => `"${pick(word, WORDS)}"`),
  (text, word) => replaceOne(text, /[{}[\],:]/g, word, () => pick(word, ['', '{', '}', '[', ']', ',', ':'])),
  (text, word) => replaceOne(text, /"[^"]*":\{[^{}]*\}/g, word, (member) => `${member},${member}`),
  (text, word) => replaceOne(text, /"[^"]*":\{[^{}]*\},?/g, word, () => ''),
  (text, word) => replaceOne(text, /\[[^[\]]*\]/g, word, () => '['.repeat(word() % 3000)),
  (text, word) => replaceOne(text, /\d+/g, word, (digits) => String(Number(digits) + pick(word, [-4, -1, 1, 4]))),
  (text) => ` ${text}`,
  (text) => `${text}\n\t `,
  (text) => `${text}x`,
];

function replaceOne(text: string, pattern: RegExp, word: Word, change: (match: string) => string): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const match = pick(word, matches);
  return text.slice(0, match.index) + change(match[0]) + text.slice(match.index + match[0].length);
}

/** A file of this header and these bytes; `length` is what it says of its header. */
export function withHeader(text: string, length: number | undefined, data: Uint8Array): Buffer {
  const header = Buffer.from(text);
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(BigInt(length ?? header.length));
  return Buffer.concat([first, header, data]);
}

function mutate(original: Buffer, word: Word): Uint8Array {
  const length = Number(original.readBigUInt64LE());
  const text = original.toString('utf8', 8, 8 + length);
  const data = original.subarray(8 + length);
  switch (word() % 8) {
    case 0:
      return original.subarray(0, word() % (original.length + 1));
    case 1:
      return Buffer.concat([original, Buffer.alloc(1 + (word() % 16))]);
    case 2: {
      const flipped = Buffer.from(original);
      for (let i = word() % 4; i >= 0; i--) flipped[word() % flipped.length] = word() & 0xff;
      return flipped;
    }
    case 3:
      return withHeader(text, pick(word, [0, 1, length - 1, length + 1, length + 8, 2 ** 31, 2 ** 40, 2 ** 53]), data);
    default: {
      let changed = text;
      for (let i = word() % 3; i >= 0; i--) changed = pick(word, TEXT_MUTATIONS)(changed, word);
      return withHeader(changed, undefined, data);
    }
  }
}

/** `count` mutated files, the same for the same seed. */
export function* mutated(original: Uint8Array, seed: number, count: number): Generator<Uint8Array> {
  const word = randomWords(seed);
  for (let i = 0; i < count; i++) yield mutate(Buffer.from(original), word);
}

/** The same as an array. */
export function mutants(original: Uint8Array, seed: number, count: number): Uint8Array[] {
  return [...mutated(original, seed, count)];
}
