// The optimizer as JavaScript sees it: its methods take anything.
import type { SGD } from '../../lib/index';

const METHODS = ['init', 'initSingle', 'applySingle', 'applyGradients', 'update'] as const;

/** The synchronous methods, for arguments of any type. */
export type Loose = Record<(typeof METHODS)[number], (...args: unknown[]) => unknown>;

/** The methods of `optimizer`, bound to it. */
export function loose(optimizer: SGD): Loose {
  const untyped = optimizer as unknown as Loose;
  return Object.fromEntries(METHODS.map((name) => [name, untyped[name].bind(optimizer)])) as Loose;
}
