// Remembers what arrays were given as, to find mistakes that no shape tells of: swapped arguments, and two models.
import { typeError, Verbatim } from '../errors';
import type { Slot } from '../state/slot';
import type { LeafData } from '../tree/dtype';
import type { Stepped } from './plan';

const ORDERS = 'update takes (parameters, gradients), applyGradients takes (gradients, parameters)';

/** The first leaf of each plan stands for its tree: whoever swaps two trees swaps all leaves. */
export class Roles {
  /** The number of the plan that each parameter was in last. */
  readonly #parameters = new WeakMap<LeafData, number>();
  readonly #slots = new WeakMap<Slot, number>();
  readonly #gradients = new WeakSet<LeafData>();
  #plans = 0;
  #hasWarned = false;

  /** Throws for arguments that are swapped, as far as earlier steps tell. */
  check(stepped: readonly Stepped[]): void {
    const first = stepped.at(0);
    if (!first || this.#parameters.has(first.parameter.data)) return;
    const { parameter } = first;
    const gradient = first.gradients[first.gradients.length - 1];
    const wrong = this.#parameters.has(gradient.data)
      ? gradient
      : this.#gradients.has(parameter.data)
        ? parameter
        : null;
    if (!wrong) return;
    const [expected, former] = wrong === gradient ? ['a gradient', 'parameter'] : ['a parameter', 'gradient'];
    const received = new Verbatim(`an array that was a ${former} in an earlier step of this optimizer; ${ORDERS}`);
    throw typeError('swapped-arguments', wrong.name, expected, received);
  }

  /** A step of these leaves follows. Warns once if two arrays take turns with one velocity. */
  add(stepped: readonly Stepped[]): void {
    const first = stepped.at(0);
    if (!first) return;
    const { parameter, slot } = first;
    const gradient = first.gradients[first.gradients.length - 1];
    const [seen = Infinity, other = 0] = [this.#parameters.get(parameter.data), this.#slots.get(slot)];
    if (slot.hasVelocity && seen < other && !this.#hasWarned) this.#warn(parameter.name);
    this.#plans++;
    this.#parameters.set(parameter.data, this.#plans);
    this.#slots.set(slot, this.#plans);
    this.#gradients.add(gradient.data);
  }

  #warn(name: string): void {
    this.#hasWarned = true;
    const text = `${name}: two arrays take turns in this place and share one velocity; give each model an optimizer of its own`;
    process.emitWarning(text, { code: 'METAL_SGD_TWO_MODELS' });
  }
}
