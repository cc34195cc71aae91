// Step and learning rate in a file: small tensors, read first, since they decide whether the rest is loaded.
import { ACCUMULATED, GROUP_RATES, LOSS_SCALE, type StateEntries, type StateFormat } from './formats';
import { noteIn } from '../safetensors/metadata';
import type { Read } from '../safetensors/read';
import { type Contents, type Entry, fileError, METADATA } from '../safetensors/header';
import { checkLossScaleState, type LossScaleState } from '../state/lossScale';
import type { Difference } from '../tree/compare';
import { showShape, sizeOf } from '../tree/leaf';

type Decode = (bytes: Buffer) => number | bigint;

const STEPS: Readonly<Record<string, Decode>> = {
  U64: (bytes) => bytes.readBigUInt64LE(),
  I64: (bytes) => bytes.readBigInt64LE(),
  U32: (bytes) => bytes.readUInt32LE(),
  I32: (bytes) => bytes.readInt32LE(),
};

const RATES: Readonly<Record<string, Decode>> = {
  F32: (bytes) => bytes.readFloatLE(),
  F64: (bytes) => bytes.readDoubleLE(),
};

const rateOf = (i: number): string => `state.groups.${String(i)}.learningRate`;

/** The learning rates of groups in our entry. */
function ratesIn(file: string, contents: Contents): readonly number[] | undefined {
  const text = noteIn(contents, GROUP_RATES);
  if (text === undefined) return undefined;
  const rates = parse(text);
  const areNumbers = Array.isArray(rates) && rates.every((rate) => typeof rate === 'number' && Number.isFinite(rate));
  if (!areNumbers)
    throw fileError(file, METADATA, 'a list of learning rates of groups', JSON.stringify(text.slice(0, 60)));
  return rates as number[];
}

/** The loss scale in our entry. */
function lossScaleIn(file: string, contents: Contents): LossScaleState | undefined {
  const text = noteIn(contents, LOSS_SCALE);
  if (text === undefined) return undefined;
  try {
    return checkLossScaleState(LOSS_SCALE, JSON.parse(text));
  } catch {
    throw fileError(file, METADATA, 'a loss scale, { scale, growth }', JSON.stringify(text.slice(0, 60)));
  }
}

/** The number of gradients in our sums. */
function accumulatedIn(file: string, contents: Contents, { parts }: StateEntries): number {
  const text = noteIn(contents, ACCUMULATED);
  const count = Number(text ?? 0);
  if (Number.isSafeInteger(count) && count >= 0 && (count > 0 || parts.accumulated.length === 0)) return count;
  throw fileError(file, METADATA, 'the number of gradients in the sums', JSON.stringify(text ?? 'none'));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A tensor of one number, and the bytes it is read into. */
interface NumberRead {
  readonly entry: Entry;
  readonly decode: Decode;
  readonly bytes: Buffer;
}

/** The numbers of a state. */
export class StateNumbers {
  readonly differences: Difference[] = [];
  step: number | undefined;
  learningRate: number | undefined;
  readonly #file: string;
  /** The learning rate before it was rounded to float32. */
  readonly #exactRate: number;
  /** The learning rates of groups; `undefined` if the file has none. */
  groupRates: readonly number[] | undefined;
  /** Of an optimizer with a dynamic one. */
  readonly lossScale: LossScaleState | undefined;
  /** Gradients in the sums. */
  readonly accumulated: number;
  readonly #groupRates: readonly (NumberRead | undefined)[];
  readonly #step: NumberRead | undefined;
  readonly #rate: NumberRead | undefined;

  constructor(file: string, contents: Contents, entries: StateEntries, from: StateFormat | undefined) {
    this.#file = file;
    this.#exactRate = Number(noteIn(contents, 'learning_rate') ?? NaN);
    this.step = from?.step;
    this.learningRate = from?.learningRate;
    this.groupRates = ratesIn(file, contents);
    this.lossScale = lossScaleIn(file, contents);
    this.accumulated = accumulatedIn(file, contents, entries);
    this.#groupRates = Array.from(entries.groupRates ?? [], (entry, i) => this.#read(rateOf(i), entry, RATES));
    if (from?.format === 'torch') return;
    this.#step = this.#read('state.step', entries.step, STEPS);
    this.#rate = this.#read('state.learningRate', entries.learningRate, RATES);
  }

  #read(path: string, entry: Entry | undefined, decoders: Readonly<Record<string, Decode>>): NumberRead | undefined {
    const size = entry && sizeOf(entry.shape);
    if (entry && size === 1 && Object.hasOwn(decoders, entry.dtype)) {
      return { entry, decode: decoders[entry.dtype], bytes: Buffer.alloc(entry.end - entry.start) };
    }
    const [dtype] = Object.keys(decoders);
    if (!entry) this.differences.push({ path, kind: 'missing' });
    else if (size === 1) this.differences.push({ path, kind: 'dtype', expected: dtype, received: entry.dtype });
    else this.differences.push({ path, kind: 'shape', expected: '[]', received: showShape(entry.shape) });
    return undefined;
  }

  get reads(): readonly Read[] {
    return [this.#step, this.#rate, ...this.#groupRates].flatMap((number) =>
      number ? [{ start: number.entry.start, end: number.entry.end, bytes: number.bytes }] : [],
    );
  }

  /** Decodes the numbers once they are read. Throws if no optimizer can have them. */
  check(): void {
    if (this.#step) {
      this.step = Number(this.#step.decode(this.#step.bytes));
      if (!Number.isSafeInteger(this.step) || this.step < 0) this.#refuse(this.#step, 'a step from 0 to 2^53 - 1');
    }
    if (this.#groupRates.length > 0) {
      this.groupRates = this.#groupRates.flatMap((rate) => (rate ? [Number(rate.decode(rate.bytes))] : []));
      const wrong = this.groupRates.findIndex((rate) => !Number.isFinite(rate));
      if (wrong >= 0) this.#refuse(this.#groupRates[wrong] as NumberRead, 'a finite number');
    }
    if (this.#rate) {
      const rate = Number(this.#rate.decode(this.#rate.bytes));
      if (!Number.isFinite(Math.fround(rate))) this.#refuse(this.#rate, 'a finite number');
      // Another program may have changed the tensor and kept the metadata.
      this.learningRate = Object.is(Math.fround(this.#exactRate), rate) ? this.#exactRate : rate;
    }
  }

  /** The difference of a file with a loss scale, for an optimizer that has none. */
  compareLossScale(hasLossScale: boolean): void {
    if (this.lossScale && !hasLossScale) this.differences.push({ path: 'state.lossScale', kind: 'extra' });
  }

  /** The difference of a file with other groups than the optimizer's `count`; one without any is none. */
  compareGroups(count: number): void {
    const found = this.groupRates?.length ?? this.#groupRates.length;
    if (found === 0 || found === count) return;
    const path = 'state.groups';
    this.differences.push({ path, kind: 'shape', expected: `${String(count)} groups`, received: String(found) });
  }

  #refuse({ entry, decode, bytes }: NumberRead, expected: string): never {
    const where = `tensor ${JSON.stringify(entry.name)} at byte ${String(entry.start)}`;
    throw fileError(this.#file, where, expected, String(decode(bytes)));
  }
}
