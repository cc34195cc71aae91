// Properties of classes: a list of them from a table, and an error for assigning any other, in every mode of JavaScript.
import { coded } from '../errors';

/** Gives the instances of a class a property for each name. */
export function defineProperties<T, N extends string>(
  prototype: T,
  names: readonly N[],
  get: (instance: T, name: N) => unknown,
  set: (instance: T, name: N, value: unknown) => void,
): void {
  for (const name of names) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: T) {
        return get(this, name);
      },
      set(this: T, value: unknown) {
        set(this, name, value);
      },
    });
  }
}

/**
 * Makes `instance.name = value` throw for a name that the class does not have. Instances of classes that extend it may have
 * properties of their own; so may those on which somebody defines one, as spies of test frameworks do.
 */
export function refuseOtherProperties(prototype: object): void {
  // At the end of the chain: whatever the class has is found before.
  const end = new Proxy(Object.prototype, {
    set(target, name, value, instance: object) {
      if (Object.getPrototypeOf(instance) !== prototype) return Reflect.set(target, name, value, instance);
      const known = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
        ([, one]) => one.set !== undefined,
      );
      const text = `${String(name)}: there is no such property; ${known.map(([key]) => key).join(', ')} can be assigned`;
      throw coded(TypeError, 'invalid-option', text);
    },
  });
  Object.setPrototypeOf(prototype, end);
}
