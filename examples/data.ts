// Reads the handwritten digits, checks them, and splits them into a training and a test set.
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { messageOf, UserError } from './errors';
import { permutation, type Random } from './random';

export const SIDE = 8;
export const PIXELS = SIDE * SIDE;
export const CLASSES = 10;
const WHITE = 16;

/** Images of which each has a class. */
export interface Dataset {
  /** Values from 0 to 1, one image after another. */
  readonly pixels: Float64Array;
  readonly labels: Uint8Array;
}

export interface Split {
  readonly train: Dataset;
  readonly test: Dataset;
}

const COLUMNS = [...Array.from({ length: PIXELS }, (_, i) => `p${i.toString(SIDE).padStart(2, '0')}`), 'digit'];

/** @throws UserError that names the file, and the line of a bad value. */
export function readDigits(path: string): Dataset {
  const rows = readRows(path);
  if (rows.at(0)?.fields.join() !== COLUMNS.join()) {
    throw new UserError(`${path}: expected the columns p00 to p77 and digit in the first line`);
  }
  const images = rows.slice(1);
  const pixels = new Float64Array(images.length * PIXELS);
  const labels = new Uint8Array(images.length);
  images.forEach(({ fields, line }, i) => {
    const values = fields.map((text, column) => readValue(text, column, `${path}, line ${String(line)}`));
    labels[i] = values[PIXELS];
    pixels.set(
      values.slice(0, PIXELS).map((value) => value / WHITE),
      i * PIXELS,
    );
  });
  return { pixels, labels };
}

function readRows(path: string): { fields: string[]; line: number }[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`can't read the data: ${messageOf(error)}`);
  }
  try {
    const rows = parse(text, { info: true, bom: true }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({ fields: record, line: info.lines }));
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}`);
  }
}

function readValue(text: string, column: number, place: string): number {
  const largest = column < PIXELS ? WHITE : CLASSES - 1;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= largest) return value;
  const expected = `a whole number from 0 to ${String(largest)} as ${COLUMNS[column]}`;
  throw new UserError(`${place}: expected ${expected}, received ${JSON.stringify(text)}`);
}

/** Shuffles, and gives the last fifth to the test. */
export function splitDigits(digits: Dataset, random: Random): Split {
  const count = digits.labels.length;
  const trained = Math.floor(count * 0.8);
  if (trained === 0) throw new UserError(`expected at least two images, received ${String(count)}`);
  const order = permutation(count, random);
  return { train: pick(digits, order.subarray(0, trained)), test: pick(digits, order.subarray(trained)) };
}

function pick({ pixels, labels }: Dataset, indices: Uint32Array): Dataset {
  const picked = new Float64Array(indices.length * PIXELS);
  indices.forEach((from, to) => {
    picked.set(imageAt(pixels, from), to * PIXELS);
  });
  return { pixels: picked, labels: Uint8Array.from(indices, (from) => labels[from]) };
}

/** The pixels of image number `index`, in place. */
export function imageAt(pixels: Float64Array, index: number): Float64Array {
  return pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
}
