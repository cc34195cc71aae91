// Gradients and the parameters they belong to, found by structure.
import { coded } from '../errors';
import { checkAlike, type CheckedLeaf } from '../tree/leaf';
import { keyAt, type Node } from '../tree/tree';

/** A gradient beside its parameter. */
export interface Pair {
  readonly parameter: CheckedLeaf;
  readonly gradient: CheckedLeaf;
}

/**
 * The tree of gradients with each one's parameter beside it. Parameters may have more leaves.
 * Throws for a gradient that has no parameter, or one of another dtype, length or shape.
 */
export function pairUp(parameters: Node<CheckedLeaf>, gradients: Node<CheckedLeaf>, name = 'gradients'): Node<Pair> {
  if ('leaf' in gradients && 'leaf' in parameters) {
    checkAlike(gradients.leaf, parameters.leaf);
    return { leaf: { parameter: parameters.leaf, gradient: gradients.leaf } };
  }
  if ('leaf' in gradients || 'leaf' in parameters || !gradients.keys !== !parameters.keys) {
    const what = `expected ${kindOf(parameters)} as in parameters, received ${kindOf(gradients)}`;
    throw coded(TypeError, 'missing-parameter', `${name}: ${what}`);
  }
  const partners = new Map(parameters.children.map((child, i) => [keyAt(parameters, i), child]));
  const children = gradients.children.map((child, i) => {
    const key = keyAt(gradients, i);
    const partner = partners.get(key);
    if (partner) return pairUp(partner, child, `${name}.${key}`);
    throw coded(
      RangeError,
      'missing-parameter',
      `${name}.${key}: expected a parameter of this path, received a gradient alone`,
    );
  });
  return { ...gradients, children };
}

const kindOf = (node: Node<CheckedLeaf>): string => ('leaf' in node ? 'a leaf' : node.keys ? 'an object' : 'an array');
