// Memory that asynchronous work of this thread uses: pending steps, and files that are written or read. Whoever would see a
// step half done, or change what it reads, waits if it returns a promise, and throws if it does not.
import { coded } from '../errors';
import type { LeafData } from '../tree/dtype';
import { extentsOf } from './overlap';

/** Ascending and disjoint ranges of addresses: a start, its end, the next start, ... */
type Ranges = readonly number[];

/** Arrays by what is done to them. */
export interface Arrays {
  readonly written: readonly LeafData[];
  readonly read: readonly LeafData[];
}

/** The memory of some arrays. */
export class Footprint {
  readonly #arrays: () => Arrays;
  #written: Ranges | undefined;
  #all: Ranges | undefined;

  /** `arrays` is called when the footprint is first compared with another. */
  constructor(arrays: () => Arrays) {
    this.#arrays = arrays;
  }

  /** True if one of the two writes what the other reads or writes. */
  conflictsWith(other: Footprint): boolean {
    return meet(this.written, other.all) || meet(this.all, other.written);
  }

  get written(): Ranges {
    this.#written ??= rangesOf(this.#arrays().written);
    return this.#written;
  }

  get all(): Ranges {
    if (!this.#all) {
      const { written, read } = this.#arrays();
      this.#all = rangesOf([...written, ...read]);
    }
    return this.#all;
  }
}

function rangesOf(arrays: readonly LeafData[]): Ranges {
  const ranges: number[] = [];
  for (const { start, end } of extentsOf(arrays)) {
    const last = ranges.length - 1;
    if (last > 0 && start <= ranges[last]) ranges[last] = Math.max(ranges[last], end);
    else ranges.push(start, end);
  }
  return ranges;
}

function meet(a: Ranges, b: Ranges): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i + 1] <= b[j]) i += 2;
    else if (b[j + 1] <= a[i]) j += 2;
    else return true;
  }
  return false;
}

/** Work that was called for and is not over. It waits for the earlier work that it conflicts with. */
export class Use {
  /** For messages: 'a step of updateAsync'. */
  readonly what: string;
  readonly footprint: Footprint;
  readonly #among: Set<Use>;
  readonly #earlier: readonly Use[];
  #hasBegun = false;
  #isOver = false;
  #whenOver: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  private constructor(what: string, footprint: Footprint, among: Set<Use>, earlier: Iterable<Use>) {
    this.what = what;
    this.footprint = footprint;
    this.#among = among;
    this.#earlier = [...earlier].filter((other) => other.footprint.conflictsWith(footprint));
    among.add(this);
  }

  /** Of a step. Steps are in order among themselves. */
  static ofStep(footprint: Footprint): Use {
    return new Use('a step of updateAsync', footprint, steps, files);
  }

  /** Of a file that `what` writes or reads. */
  static ofFile(what: string, footprint: Footprint): Use {
    return new Use(what, footprint, files, [...steps, ...files]);
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Begins at once where nothing is in the way, and calls `start`; else later. */
  begin(start: () => void): void {
    const inTheWay = this.#earlier.filter((one) => !one.#isOver);
    if (inTheWay.length === 0) {
      this.#hasBegun = true;
      start();
    } else {
      void Promise.all(inTheWay.map((one) => one.#over())).then(() => {
        this.begin(start);
      });
    }
  }

  end(): void {
    this.#isOver = true;
    this.#among.delete(this);
    this.#resolve?.();
  }

  #over(): Promise<void> {
    this.#whenOver ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#whenOver;
  }
}

const steps = new Set<Use>();
const files = new Set<Use>();

/** Does the work of a file once earlier work with its memory is over. Later work waits for it. */
export async function useForFile<T>(what: string, footprint: Footprint, work: () => Promise<T>): Promise<T> {
  const use = Use.ofFile(what, footprint);
  try {
    await new Promise<void>((resolve) => {
      use.begin(resolve);
    });
    return await work();
  } finally {
    use.end();
  }
}

/** False: no check is needed. */
function isMemoryInUse(): boolean {
  return steps.size > 0 || files.size > 0;
}

/** Work that has begun and conflicts with the footprint. */
function inTheWayOf(footprint: Footprint): Use | undefined {
  return [...steps, ...files].find((use) => use.hasBegun && use.footprint.conflictsWith(footprint));
}

/** Throws with code `busy` if work that has begun conflicts with the footprint. `what` begins the message. */
export function checkFree(what: string, footprint: Footprint): void {
  const use = isMemoryInUse() ? inTheWayOf(footprint) : undefined;
  if (use) throw coded(Error, 'busy', `${what}: ${use.what} is using this memory; await its promise first`);
}

interface NamedArray {
  readonly name: string;
  readonly data: LeafData;
}

/** The same for leaves; the error names the first that is in use. */
export function checkLeavesFree(leaves: readonly NamedArray[], how: 'read' | 'written'): void {
  if (!isMemoryInUse() || !inTheWayOf(footprintOf(leaves, how))) return;
  for (const leaf of leaves) checkFree(leaf.name, footprintOf([leaf], how));
}

/** The footprint of leaves to which one thing is done. */
export function footprintOf(leaves: readonly NamedArray[], how: 'read' | 'written'): Footprint {
  return new Footprint(() => ({ written: [], read: [], [how]: leaves.map(({ data }) => data) }));
}
