// Gradients and the parameters they belong to, found by structure.
import { coded, typeError, Verbatim } from '../errors';
import { checkAlike, compareTrees, type Difference } from '../tree/compare';
import { type CheckedLeaf } from '../tree/leaf';
import { isNarrow } from '../state/slot';
import { type Path, pathIn, prefixed } from '../tree/paths';
import { isLeafNode, type Node, nodeWith } from '../tree/tree';
import type { ReadTree } from './snapshot';

/** Every parameter that has gradients, with those gradients in the order of their trees. */
type ByParameter = ReadonlyMap<CheckedLeaf, readonly CheckedLeaf[]>;

/** Several trees of gradients beside their parameters. */
export interface Pairs {
  /** The parameters in the structure of the first tree. */
  readonly stepping: Node<CheckedLeaf>;
  /** The gradients of each. Throws if a tree lacks a leaf that another has, unless it does not train. */
  readonly checked: (trains: (leaf: CheckedLeaf) => boolean) => ByParameter;
}

/** Pairs every tree. Parameters may have more leaves. Throws for a gradient without a parameter, or of another layout. */
export function gradientsByParameter(parameters: ReadTree, gradients: readonly ReadTree[]): Pairs {
  const paired = gradients.map((tree) => pairUp(parameters.node, tree));
  const lacks = (i: number, { name }: CheckedLeaf, other: number): Error =>
    missingIn(prefixed(gradients[i].name, pathIn('parameters', name)) as string, gradients[other].name);
  return {
    stepping: paired.length > 0 ? paired[0].parameters : parameters.node,
    checked: (trains) => {
      const all = new Map<CheckedLeaf, CheckedLeaf[]>();
      paired.forEach(({ gradientOf }, i) => {
        for (const [parameter, gradient] of gradientOf) {
          const list = all.get(parameter) ?? [];
          if (list.length < i && trains(parameter)) throw lacks(list.length, parameter, i);
          list.push(gradient);
          all.set(parameter, list);
        }
      });
      for (const [parameter, { length }] of all)
        if (length < gradients.length && trains(parameter)) throw lacks(length, parameter, 0);
      return all;
    },
  };
}

interface Paired {
  /** In the structure of the gradients. */
  readonly parameters: Node<CheckedLeaf>;
  readonly gradientOf: ReadonlyMap<CheckedLeaf, CheckedLeaf>;
}

function pairUp(parameters: Node<CheckedLeaf>, { node, name }: ReadTree): Paired {
  const inOrder: CheckedLeaf[] = [];
  const gradientOf = new Map<CheckedLeaf, CheckedLeaf>();
  compareTrees(parameters, node, name, {
    pair: (parameter, gradient) => {
      checkGradient(gradient, parameter);
      inOrder.push(parameter);
      gradientOf.set(parameter, gradient);
    },
    differ: (difference, parameter, gradient) => {
      if (difference.kind === 'missing') return;
      if (parameter && gradient && isLeafNode(parameter) && isTensorInPart(gradient)) throw incomplete(difference.path);
      throw missingParameter(difference);
    },
  });
  return { parameters: nodeWith(node, inOrder), gradientOf };
}

/** Throws unless the gradient has the layout of its parameter; one of 16 bits takes float32 too. */
export function checkGradient(gradient: CheckedLeaf, parameter: CheckedLeaf): void {
  const isWide = isNarrow(parameter.dtype) && gradient.dtype === 'float32';
  checkAlike(isWide ? { ...gradient, dtype: parameter.dtype } : gradient, parameter);
}

/** The error for a leaf that one tree of `meanOf` lacks and another has. */
export function missingIn(path: string, other: string): Error {
  const text = `${path}: expected a gradient as in ${other}, received none; all trees of meanOf have the same leaves`;
  return coded(RangeError, 'invalid-tree', text);
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

/** The error for an accumulated sum without a parameter. */
export function unmatchedSum(path: Path): Error {
  const name = prefixed('accumulated', path) as string;
  const text = `${name}: parameters has no leaf at this path; step the tree that was accumulated, or discardAccumulated()`;
  return coded(RangeError, 'missing-parameter', text);
}
