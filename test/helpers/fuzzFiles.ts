// Feeds mutated files to everything that reads one: no crash, no hang, no memory beyond the file's size, and no value that
// the file doesn't hold.
import { fromBytes, type Leaf, SGD, toBytes, zeros } from '../../lib';
import { bytesOf } from './bits';
import { dataOf } from './leaves';
import { mutated } from './mutateFile';

type AnyTree = Record<string, never>;

/** Files of every kind that the package writes, and MLX's. */
export function originals(): Uint8Array[] {
  const tree = {
    layers: [{ weight: zeros([2, 3]), bias: new Float32Array(3) }],
    'a.b': zeros([], 'bfloat16'),
    none: [],
  };
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  optimizer.init(tree);
  return [toBytes(tree, { k: 'v' }), optimizer.toBytes({ parameters: tree }), toBytes(zeros([0])), toBytes({})];
}

/** What became of the files. */
export interface FuzzOutcome {
  taken: number;
  refused: number;
  /** Milliseconds of the slowest one. */
  slowest: number;
}

/** Reads `count` mutated files of each original. Throws for the first that is treated wrongly. */
export function fuzzFiles(seed: number, count: number): FuzzOutcome {
  const outcome: FuzzOutcome = { taken: 0, refused: 0, slowest: 0 };
  for (const original of originals()) {
    let i = 0;
    for (const bytes of mutated(original, seed, count)) {
      const start = performance.now();
      const isTaken = readAll(bytes, `seed ${String(seed)}, file ${String(i++)}`);
      outcome.slowest = Math.max(outcome.slowest, performance.now() - start);
      if (isTaken) outcome.taken++;
      else outcome.refused++;
    }
  }
  return outcome;
}

/** True if the file was taken as a tree. */
function readAll(bytes: Uint8Array, which: string): boolean {
  const into = {
    layers: [{ weight: zeros([2, 3]), bias: new Float32Array(3) }],
    'a.b': zeros([], 'bfloat16'),
    none: [],
  };
  attempt(which, () => fromBytes(bytes, { into }));
  attempt(which, () => fromBytes(bytes, { prefix: 'parameters', strict: false }));
  attempt(which, () => new SGD(1).fromBytes(bytes));
  attempt(which, () => new SGD(1).fromBytes(bytes, { parameters: into, strict: false }));
  const read = attempt(which, () => fromBytes<AnyTree>(bytes));
  if (!read) return false;
  const leaves = leavesOf(read.tree);
  const size = leaves.reduce((sum, leaf) => sum + leaf.byteLength, 0);
  if (size > bytes.length) throw new Error(`${which}: ${String(size)} bytes from a file of ${String(bytes.length)}`);
  for (const buffer of new Set(leaves.map((leaf) => leaf.buffer)))
    checkArena(buffer, leaves.length, bytes.length, which);
  // Saved and read again it is the same: nothing was made up.
  const again = leavesOf(fromBytes(toBytes(read.tree)).tree);
  if (leaves.some((leaf, i) => Buffer.compare(bytesOf(leaf), bytesOf(again[i])) !== 0)) {
    throw new Error(`${which}: comes back different`);
  }
  return true;
}

/** Header, alignment and page of an arena are not the file's doing. */
const OWN_BYTES = 3 * 16384;

function checkArena(buffer: ArrayBufferLike, leaves: number, fileBytes: number, which: string): void {
  const most = 2 * fileBytes + OWN_BYTES + 264 * leaves;
  if (buffer.byteLength > most) throw new Error(`${which}: an arena of ${String(buffer.byteLength)} bytes`);
}

function leavesOf(tree: unknown): ReturnType<typeof dataOf>[] {
  if (ArrayBuffer.isView(tree) || ArrayBuffer.isView((tree as { data?: unknown }).data)) return [dataOf(tree as Leaf)];
  return Object.values(tree as object).flatMap(leavesOf);
}

/** What a call returns; undefined for an error that a wrong file deserves. */
function attempt<R>(which: string, call: () => R): R | undefined {
  try {
    return call();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'invalid-file' || code === 'file-mismatch') return undefined;
    throw new Error(`${which}: ${String(error)}`, { cause: error });
  }
}
