// The state of one parameter.
import type { Dtype, LeafData } from '../tree/dtype';
import type { CheckedLeaf, Layout } from '../tree/leaf';
import { type Path, prefixed } from '../tree/paths';

const IN_EARLIER_STEPS = 'in earlier steps (another model needs another optimizer)';
export const AS_BEFORE = `as ${IN_EARLIER_STEPS}`;

/** The state of one parameter. Small: an optimizer may have 100,000. */
export class Slot implements Layout {
  readonly path: Path;
  readonly dtype: Dtype;
  readonly shape: readonly number[] | undefined;
  readonly length: number;
  readonly #isAdopted: boolean;
  #leaf: object | undefined;
  #data: LeafData | undefined;

  /** `adopted` is a velocity that comes before its parameter. The slot keeps its layout. */
  constructor(path: Path, { dtype, shape, length }: Layout, adopted?: CheckedLeaf) {
    this.path = path;
    this.dtype = dtype;
    this.shape = shape;
    this.length = length;
    this.#isAdopted = adopted !== undefined;
    this.v = adopted;
  }

  get v(): CheckedLeaf | undefined {
    if (!this.#leaf || !this.#data) return undefined;
    const { dtype, shape, length, velocityName: name } = this;
    return { leaf: this.#leaf, data: this.#data, dtype, shape, length, hasConstantShape: false, name };
  }

  set v(v: CheckedLeaf | undefined) {
    this.#leaf = v?.leaf;
    this.#data = v?.data;
  }

  get hasVelocity(): boolean {
    return this.#leaf !== undefined;
  }

  /** Whose layout it is, in messages: 'expected 2 elements as ...'. */
  get name(): string {
    return this.#isAdopted ? this.velocityName : IN_EARLIER_STEPS;
  }

  /** The velocity in messages. */
  get velocityName(): string {
    return velocityName(this.path);
  }
}

/** The velocity of a path in messages. */
export function velocityName(path: Path): string {
  return `${prefixed('state.parameters', path) as string}.v`;
}
