// The state of one parameter.
import { types } from 'node:util';
import type { Dtype, LeafData } from '../tree/dtype';
import type { CheckedLeaf, Layout } from '../tree/leaf';
import { type Path, prefixed } from '../tree/paths';

const IN_EARLIER_STEPS = 'in earlier steps (another model needs another optimizer)';
export const AS_BEFORE = `as ${IN_EARLIER_STEPS}`;

/** What a slot can keep, by the name in states and files: velocity, float32 master, moving average, sum of gradients. */
export const PARTS = ['v', 'master', 'ema', 'accumulated'] as const;
export type Part = (typeof PARTS)[number];

/** True for the dtypes that can have float32 masters. */
export const isNarrow = (dtype: Dtype): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The dtype that nothing is rounded to beside a parameter of `dtype`. */
export const wideDtype = (dtype: Dtype): Dtype => (dtype === 'float64' ? 'float64' : 'float32');

/** An array in the state: the object that users see, and its elements. */
interface Held {
  readonly leaf: object;
  readonly data: LeafData;
}

/** The state of one parameter. Small: an optimizer may have 100,000. */
export class Slot implements Layout {
  readonly path: Path;
  readonly dtype: Dtype;
  readonly shape: readonly number[] | undefined;
  readonly length: number;
  readonly #isAdopted: boolean;
  /** True until a step has used the velocity that was made for it. */
  isFirstVelocity = false;
  /** True of a velocity that a step has made for itself: until a step has happened, it is no state. */
  isForStep = false;
  /** The same of the average. */
  isFirstAverage = false;
  /** True if the master does not belong to the parameter: it is made again from that. */
  isMasterStale = false;
  #v: Held | undefined;
  #others: Partial<Record<Part, Held>> | undefined;
  /** Whether the sum holds gradients: shared with the slot that this one moves to. */
  #sum: { isFilled: boolean } | undefined;

  /** `isAdopted`: its arrays come before its parameter, and the layout is theirs. */
  constructor(path: Path, { dtype, shape, length }: Layout, isAdopted = false) {
    this.path = path;
    this.dtype = dtype;
    this.shape = shape;
    this.length = length;
    this.#isAdopted = isAdopted;
  }

  /** An array of the state. */
  get(part: Part): CheckedLeaf | undefined {
    const held = this.#held(part);
    if (!held) return undefined;
    const { leaf, data } = held;
    const { shape, length } = this;
    return { leaf, data, dtype: this.#dtypeOf(data), shape, length, hasConstantShape: false, name: this.nameOf(part) };
  }

  set(part: Part, leaf: CheckedLeaf | undefined): void {
    const held = leaf && { leaf: leaf.leaf, data: leaf.data };
    if (part === 'v') this.#v = held;
    else this.#others = { ...this.#others, [part]: held };
  }

  has(part: Part): boolean {
    return this.#held(part) !== undefined;
  }

  #held(part: Part): Held | undefined {
    return part === 'v' ? this.#v : this.#others?.[part];
  }

  #dtypeOf(data: LeafData): Dtype {
    if (types.isFloat32Array(data)) return 'float32';
    return types.isFloat64Array(data) ? 'float64' : this.dtype;
  }

  /** True while the sum holds gradients. */
  get isSummed(): boolean {
    return this.#sum?.isFilled ?? false;
  }
  set isSummed(isFilled: boolean) {
    if (this.#sum) this.#sum.isFilled = isFilled;
    else if (isFilled) this.#sum = { isFilled };
  }

  get v(): CheckedLeaf | undefined {
    return this.get('v');
  }

  get hasVelocity(): boolean {
    return this.#v !== undefined;
  }

  /** True if another parameter in its place would lose something. */
  get isUsed(): boolean {
    const hasVelocity = this.#v !== undefined && !(this.isFirstVelocity && this.isForStep);
    return hasVelocity || this.has('master') || (this.has('ema') && !this.isFirstAverage) || this.isSummed;
  }

  get isAdopted(): boolean {
    return this.#isAdopted;
  }

  /** Whose layout it is, in messages: 'expected 2 elements as ...'. */
  get name(): string {
    if (!this.#isAdopted) return IN_EARLIER_STEPS;
    return this.nameOf(PARTS.find((part) => this.has(part)) ?? 'v');
  }

  /** An array of the state in messages. */
  nameOf(part: Part): string {
    return partName(this.path, part);
  }

  /** The same state for a parameter of another layout. */
  movedTo(layout: Layout): Slot {
    const moved = new Slot(this.path, layout);
    for (const part of PARTS) if (this.has(part)) moved.set(part, this.get(part));
    moved.#sum = this.#sum;
    const { isFirstVelocity, isForStep, isFirstAverage, isMasterStale } = this;
    return Object.assign(moved, { isFirstVelocity, isForStep, isFirstAverage, isMasterStale });
  }
}

/** An array of the state of a path in messages. */
export function partName(path: Path, part: Part): string {
  return `${prefixed('state.parameters', path) as string}.${part}`;
}
