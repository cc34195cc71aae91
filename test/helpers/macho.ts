// Reads what a Mach-O file for one 64-bit architecture tells of itself. The format is Apple's; numbers are those of its
// documentation.
import { createHash } from 'node:crypto';

/** A name that the file takes from outside. */
export interface Import {
  readonly name: string;
  /** Install name of the library that has it; 'any' if the loader may look everywhere. */
  readonly library: string;
}

export interface CodeSignature {
  readonly adHoc: boolean;
  /** Bytes of the file that the hashes cover. */
  readonly codeLimit: number;
  /** Whether the hash of each page is right. */
  readonly pages: readonly boolean[];
}

export interface MachO {
  readonly architecture: string;
  /** 8 is a bundle, which is what `dlopen` of an addon expects. */
  readonly fileType: number;
  readonly platform: number;
  readonly minimumSystem: string;
  readonly libraries: readonly string[];
  readonly imports: readonly Import[];
  readonly exports: readonly string[];
  /** Objective-C selectors that the code sends. */
  readonly selectors: readonly string[];
  /** Where the code signature starts, and what it says. */
  readonly signatureOffset: number | undefined;
  readonly signature: CodeSignature | undefined;
}

const MAGIC_64 = 0xfeedfacf;
const ARCHITECTURES = new Map([
  [0x01000007, 'x86_64'],
  [0x0100000c, 'arm64'],
]);
const COMMAND = { symbols: 0x2, library: 0xc, weakLibrary: 0x80000018, segment: 0x19, signature: 0x1d, version: 0x32 };
const ANY_LIBRARY = 0xfe;

interface Command {
  readonly id: number;
  /** Of its first byte. */
  readonly at: number;
}

const textAt = (bytes: Buffer, at: number): string => bytes.toString('utf8', at, bytes.indexOf(0, at));

function commandsOf(file: Buffer): Command[] {
  const commands: Command[] = [];
  let at = 32;
  for (let i = 0; i < file.readUInt32LE(16); i++) {
    commands.push({ id: file.readUInt32LE(at), at });
    at += file.readUInt32LE(at + 4);
  }
  return commands;
}

function version(packed: number): string {
  return `${String(packed >>> 16)}.${String((packed >>> 8) & 0xff)}`;
}

interface Symbol {
  readonly name: string;
  readonly isExternal: boolean;
  readonly isDefined: boolean;
  readonly ordinal: number;
}

function symbolsOf(file: Buffer, { at }: Command): Symbol[] {
  const [table, count, texts] = [8, 12, 16].map((offset) => file.readUInt32LE(at + offset));
  return Array.from({ length: count }, (_, i) => {
    const entry = table + i * 16;
    const type = file[entry + 4];
    return {
      name: textAt(file, texts + file.readUInt32LE(entry)),
      isExternal: (type & 0x01) !== 0,
      isDefined: (type & 0x0e) !== 0,
      ordinal: file.readUInt16LE(entry + 6) >> 8,
    };
  });
}

/** The bytes of a section, by its name. */
function sectionOf(file: Buffer, segments: readonly Command[], wanted: string): Buffer {
  for (const { at } of segments) {
    for (let i = 0; i < file.readUInt32LE(at + 64); i++) {
      const section = at + 72 + i * 80;
      const name = file.toString('latin1', section, section + 16).replace(/\0+$/, '');
      if (name !== wanted) continue;
      const start = file.readUInt32LE(section + 48);
      return file.subarray(start, start + Number(file.readBigUInt64LE(section + 40)));
    }
  }
  return Buffer.alloc(0);
}

/** The code directory of a signature; big-endian, as all of it. */
function signatureOf(file: Buffer, start: number): CodeSignature | undefined {
  const blob = file.subarray(start);
  if (blob.readUInt32BE(0) !== 0xfade0cc0) return undefined;
  const slots = Array.from({ length: blob.readUInt32BE(8) }, (_, i) => 12 + 8 * i);
  const slot = slots.find((at) => blob.readUInt32BE(at) === 0);
  if (slot === undefined) return undefined;
  const directory = blob.subarray(blob.readUInt32BE(slot + 4));
  const [flags, hashes, count, codeLimit] = [12, 16, 28, 32].map((at) => directory.readUInt32BE(at));
  const hashBytes = directory[36];
  const pageBytes = 2 ** directory[39];
  const pages = Array.from({ length: count }, (_, i) => {
    const page = file.subarray(i * pageBytes, Math.min((i + 1) * pageBytes, codeLimit));
    const expected = directory.subarray(hashes + i * hashBytes, hashes + (i + 1) * hashBytes);
    return createHash('sha256').update(page).digest().subarray(0, hashBytes).equals(expected);
  });
  return { adHoc: (flags & 2) !== 0, codeLimit, pages };
}

/** Reads a whole file; throws if it is not for one 64-bit architecture. */
export function readMachO(file: Buffer): MachO {
  if (file.readUInt32LE(0) !== MAGIC_64) throw new Error('expected a 64-bit Mach-O file');
  const commands = commandsOf(file);
  const having = (...ids: number[]): Command[] => commands.filter(({ id }) => ids.includes(id));
  const libraries = having(COMMAND.library, COMMAND.weakLibrary).map(({ at }) =>
    textAt(file, at + file.readUInt32LE(at + 8)),
  );
  const symbols = having(COMMAND.symbols).flatMap((command) => symbolsOf(file, command));
  const methods = sectionOf(file, having(COMMAND.segment), '__objc_methname').toString('utf8');
  const [build] = having(COMMAND.version);
  const signatureOffset = having(COMMAND.signature).map(({ at }) => file.readUInt32LE(at + 8))[0] as number | undefined;
  return {
    architecture: ARCHITECTURES.get(file.readUInt32LE(4)) ?? 'unknown',
    fileType: file.readUInt32LE(12),
    platform: file.readUInt32LE(build.at + 8),
    minimumSystem: version(file.readUInt32LE(build.at + 12)),
    libraries,
    imports: symbols
      .filter(({ isDefined }) => !isDefined)
      .map(({ name, ordinal }) => ({ name, library: ordinal === ANY_LIBRARY ? 'any' : libraries[ordinal - 1] })),
    exports: symbols.filter(({ isDefined, isExternal }) => isDefined && isExternal).map(({ name }) => name),
    selectors: methods.split('\0').filter((name) => name !== ''),
    signatureOffset,
    signature: signatureOffset === undefined ? undefined : signatureOf(file, signatureOffset),
  };
}
