// The sums of accumulated gradients: how many gradients are in them, and which slots have one.
import type { Slot } from './slot';

/** What the sums of one optimizer hold. */
export class Accumulated {
  /** Gradients in the sums. Changed here alone; a field, since each step reads it. */
  count = 0;
  /** The same object while the same slots have a sum; `undefined` while none has. Likewise. */
  pattern: object | undefined;
  #slots: Slot[] = [];
  /** What a pending step will take. */
  #reserved: Taken | undefined;

  /** Gradients in the sums that the state has: a pending step takes its own when it starts. */
  get present(): number {
    return this.#reserved?.count ?? this.count;
  }

  /** The slots that have a sum, for the next step. */
  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** Gradients were added to these slots; `pattern` stands for all of them. */
  added(count: number, slots: readonly Slot[], pattern: object): void {
    const before = this.#slots.length;
    for (const slot of slots) {
      if (slot.isSummed) continue;
      slot.isSummed = true;
      this.#slots.push(slot);
    }
    if (this.count === 0) this.pattern = pattern;
    else if (this.#slots.length > before) this.pattern = {};
    this.count += count;
  }

  /** Goes on from a saved state. */
  restore(count: number, slots: readonly Slot[]): void {
    this.count = count;
    this.#slots = slots.filter(({ isSummed }) => isSummed);
    this.pattern = count > 0 ? {} : undefined;
  }

  /** Takes everything, for a step that is called now and starts later. */
  take(): Taken {
    const taken = { count: this.count, slots: this.#slots, pattern: this.pattern };
    if (taken.count > 0) this.#reserved = taken;
    this.#forget();
    return taken;
  }

  /** The step starts: until now the state had its sums. */
  use(taken: Taken): void {
    for (const slot of taken.slots) slot.isSummed = false;
    if (taken.count > 0) this.#reserved = undefined;
  }

  /** The step failed. */
  giveBack(taken: Taken): void {
    if (taken.count === 0) return;
    for (const slot of taken.slots) slot.isSummed = true;
    this.#reserved = undefined;
    this.count = taken.count;
    this.#slots = taken.slots;
    this.pattern = taken.pattern;
  }

  clear(): void {
    for (const slot of this.#slots) slot.isSummed = false;
    this.#forget();
  }

  #forget(): void {
    this.#slots = [];
    this.count = 0;
    this.pattern = undefined;
  }
}

/** What a step has taken. */
export interface Taken {
  readonly count: number;
  readonly slots: Slot[];
  readonly pattern: object | undefined;
}
