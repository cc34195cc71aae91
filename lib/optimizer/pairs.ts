// Gradients and the parameters they belong to, found by structure.
import { coded, typeError, Verbatim } from '../errors';
import { checkAlike, compareTrees, type Difference } from '../tree/compare';
import type { CheckedLeaf } from '../tree/leaf';
import { isLeafNode, type Node, nodeWith } from '../tree/tree';

/** A gradient beside its parameter. */
export interface Pair {
  readonly parameter: CheckedLeaf;
  readonly gradient: CheckedLeaf;
}

/**
 * The tree of gradients with each one's parameter beside it. Parameters may have more leaves.
 * Throws for a gradient that has no parameter, or one of another dtype, length or shape.
 */
export function pairUp(parameters: Node<CheckedLeaf>, gradients: Node<CheckedLeaf>): Node<Pair> {
  const pairs: Pair[] = [];
  compareTrees(parameters, gradients, 'gradients', {
    pair: (parameter, gradient) => {
      checkAlike(gradient, parameter);
      pairs.push({ parameter, gradient });
    },
    differ: (difference, parameter, gradient) => {
      if (difference.kind === 'missing') return;
      if (parameter && gradient && isLeafNode(parameter) && isTensorInPart(gradient)) throw incomplete(difference.path);
      throw missingParameter(difference);
    },
  });
  return nodeWith(gradients, pairs);
}

/** True for `{ data }`: a branch by its form, a tensor by what stands beside it. */
function isTensorInPart(node: Node<CheckedLeaf>): boolean {
  return !isLeafNode(node) && node.keys?.length === 1 && node.keys[0] === 'data' && isLeafNode(node.children[0]);
}

function incomplete(path: string): Error {
  const received = new Verbatim('an object with data alone');
  return typeError('invalid-leaf', path, 'a Tensor { data, shape, dtype }', received);
}

function missingParameter({ path, kind, expected, received }: Difference): Error {
  if (kind === 'extra') {
    const text = `${path}: parameters has no leaf at this path; remove the gradient, or add the parameter`;
    return coded(RangeError, 'missing-parameter', text);
  }
  const text = `${path}: expected ${String(expected)} as in parameters, received ${String(received)}`;
  return coded(TypeError, 'missing-parameter', text);
}
