// Exchanges among ranks, one after another. Each begins with a digest of what it is about: ranks that differ would hang.
import { native } from '../addon/native';
import { crypto } from '../builtins';
import { coded } from '../errors';
import { footprintOf, useForFile } from '../memory/inUse';
import { bytesOf, type CheckedLeaf } from '../tree/leaf';
import { within } from './within';

interface Place {
  readonly rank: number;
  readonly size: number;
}

interface TalkOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly allReduceSize: number;
}

/** Elements that are summed over all ranks, and where their sum goes. */
export interface Summed {
  readonly from: CheckedLeaf;
  readonly to: CheckedLeaf;
}

const DIGEST = 32;

/** What ranks tell that work for a while. */
const NOT_YET = 'not yet';
const DONE = 'done ';

/** What the processes of a world tell each other. */
export class Talk {
  readonly size: number;
  readonly rank: number;
  readonly #timeout: number;
  readonly #bucket: number;
  #optimizers = 0;
  /** What exchanges now. */
  #running: string | undefined;
  /** Why nothing more can be exchanged. */
  #over: { readonly code: 'world-state' | 'world-failed'; readonly why: string } | undefined;

  constructor({ rank, size }: Place, { timeout, allReduceSize }: TalkOptions) {
    this.rank = rank;
    this.size = size;
    this.#timeout = timeout / 1000;
    this.#bucket = allReduceSize;
  }

  /**
   * Runs `work`, which exchanges, and refuses others with code `busy` until it is over: ranks must exchange in one order, and
   * what waits in one process may not wait in another.
   */
  exclusive<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.begin(what);
    return work().finally(() => {
      this.end();
    });
  }

  /** The same in two calls. */
  begin(what: string): void {
    if (this.#over) throw coded(Error, this.#over.code, `${what}: ${this.#over.why}`);
    if (this.#running !== undefined && this.size > 1) {
      const text = `${this.#running} is still pending; await it first: exchanges of a world come one after another`;
      throw coded(Error, 'busy', `${what}: ${text}`);
    }
    this.#running = what;
  }

  end(): void {
    this.#running = undefined;
  }

  /** The number of a new optimizer: the same on all ranks. */
  addOptimizer(): number {
    return this.#optimizers++;
  }

  /** One exchange. What fails once all have agreed ends the world: the others may be waiting in it. */
  async #turn<T>(what: string, exchange: () => Promise<T>): Promise<T> {
    if (this.#over) throw coded(Error, this.#over.code, `${what}: ${this.#over.why}`);
    try {
      return await exchange();
    } catch (error) {
      throw this.#ended(what, error);
    }
  }

  #ended(what: string, error: unknown): unknown {
    const { code, message } = error as { code?: unknown; message: string };
    if (code === 'world-mismatch') return error;
    const isLate = code === 'world-timeout';
    const text = isLate ? `${message} within ${String(this.#timeout)} s` : `MPI failed: ${message}`;
    this.#over ??= { code: 'world-failed', why: `an earlier exchange failed (${text}); end this process` };
    return coded(Error, isLate ? 'world-timeout' : 'world-failed', `${what}: ${text}`);
  }

  /** Throws with code `world-mismatch` on all ranks if the lines are not the same on all. */
  async agree(what: string, lines: readonly string[]): Promise<void> {
    if (this.size > 1) await this.#turn(what, () => this.#compare([what, ...lines]));
  }

  async #compare(lines: readonly string[]): Promise<void> {
    const digest = crypto().createHash('sha256').update(lines.join('\n')).digest();
    const all = await this.#gather(digest, DIGEST);
    if (all.every((one) => Buffer.compare(one, all[0]) === 0)) return;
    const texts = await this.#gatherTexts(lines.join('\n'));
    throw differenceOf(texts.map((text) => text.split('\n')));
  }

  async #gather(own: Uint8Array, bytes: number): Promise<Buffer[]> {
    const data = Buffer.from(new SharedArrayBuffer(bytes * this.size));
    data.set(own, bytes * this.rank);
    await native().worldGather(data, bytes, this.#timeout);
    return Array.from({ length: this.size }, (_, rank) => data.subarray(bytes * rank, bytes * (rank + 1)));
  }

  async #gatherTexts(own: string): Promise<string[]> {
    const bytes = Buffer.from(own);
    const length = Buffer.alloc(8);
    length.writeDoubleLE(bytes.length);
    const lengths = (await this.#gather(length, 8)).map((one) => one.readDoubleLE());
    const texts = await this.#gather(bytes, Math.max(1, ...lengths));
    return texts.map((text, rank) => text.toString('utf8', 0, lengths[rank]));
  }

  /** The texts of all ranks. */
  async texts(what: string, own: string): Promise<readonly string[]> {
    if (this.size === 1) return [own];
    return this.#turn(what, async () => {
      await this.#compare([what]);
      return this.#gatherTexts(own);
    });
  }

  /** The texts of all ranks, once all have theirs. Meanwhile ranks keep talking: none waits for longer than the time limit. */
  async textsOnce(what: string, own: Promise<string>): Promise<readonly string[]> {
    if (this.size === 1) return [await own];
    for (;;) {
      const text = await within((this.#timeout * 1000) / 3, own);
      const all = await this.texts(what, text === undefined ? NOT_YET : DONE + text);
      if (!all.includes(NOT_YET)) return all.map((one) => one.slice(DONE.length));
    }
  }

  /** True if any rank flushes float32 subnormals, since it has a GPU: then all do, else bits would differ. */
  async anyFlushes(own: boolean): Promise<boolean> {
    return (await this.texts('subnormals', String(own))).includes('true');
  }

  /** Rank 0's elements for all. The memory is in use meanwhile. */
  async broadcast(leaves: readonly CheckedLeaf[]): Promise<void> {
    if (this.size === 1) return;
    await useForFile('broadcast', footprintOf(leaves, 'written'), () =>
      this.#turn('broadcast', async () => {
        await this.#compare(['broadcast', ...leaves.map(describe)]);
        for (const bytes of leaves.flatMap(bytesOf)) await native().worldBroadcast(bytes, this.#timeout);
      }),
    );
  }

  /** Sums elements over all ranks, and divides, once all have told the same lines, and `prepare` has run. */
  async sum(lines: readonly string[], leaves: readonly Summed[], how: HowToSum): Promise<void> {
    const { what, prepare, flushSubnormals, divisor } = how;
    await this.#turn(what, async () => {
      if (this.size > 1) await this.#compare([what, ...lines]);
      await prepare();
      for (const isDouble of [false, true]) {
        const arrays = leaves
          .filter(({ to }) => (to.dtype === 'float64') === isDouble)
          .flatMap(({ from, to }) => [from.data, to.data]);
        if (arrays.length > 0)
          await native().worldSum(arrays, isDouble, this.#bucket, flushSubnormals, divisor, this.#timeout);
      }
    });
  }

  async leave(): Promise<void> {
    await this.agree('leave', []);
    await this.#turn('leave', async () => {
      if (this.size > 1) await native().worldLeave();
      this.#over = { code: 'world-state', why: 'this process has left the world' };
    });
  }
}

/** How sums are formed. */
export interface HowToSum {
  /** The public method. */
  readonly what: string;
  readonly prepare: () => Promise<void>;
  readonly flushSubnormals: boolean;
  /** 1: none. */
  readonly divisor: number;
}

/** A leaf as ranks compare it. */
export const describe = ({ name, shape, length, dtype }: CheckedLeaf): string =>
  `leaf ${name} [${(shape ?? [length]).join(', ')}] ${dtype}`;

function differenceOf([first, ...others]: readonly (readonly string[])[]): Error {
  const [what] = first;
  for (const [i, lines] of others.entries()) {
    const count = Math.max(first.length, lines.length);
    for (let line = 0; line < count; line++) {
      if (first[line] === lines[line]) continue;
      const [mine, theirs] = [first, lines].map((one) => one.at(line) ?? 'nothing');
      const text = `rank 0 has ${mine}, and rank ${String(i + 1)} has ${theirs}`;
      return coded(Error, 'world-mismatch', `${what}: expected the same on all ranks, received others: ${text}`);
    }
  }
  return coded(Error, 'world-mismatch', `${what}: expected the same on all ranks`);
}

/** Of one call of the hash. */
const MOST_BYTES = 2 ** 30;

/** The same for the same texts and elements. */
export function digestOf(texts: readonly string[], leaves: readonly CheckedLeaf[]): string {
  const hash = crypto().createHash('sha256').update(texts.join('\n'));
  for (const bytes of leaves.flatMap(bytesOf))
    for (let at = 0; at < bytes.length; at += MOST_BYTES) hash.update(bytes.subarray(at, at + MOST_BYTES));
  return hash.digest('hex');
}
