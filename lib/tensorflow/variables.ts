// The variables of a TensorFlow.js optimizer, checked, and as trees that an `SGD` steps.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import { coded, rangeError, typeError, Verbatim } from '../errors';
import { OwnMemory } from './ownMemory';
import { tf } from './peer';
import type { Floats, Place } from './place';
import { Heap, isWebAssembly } from './webassembly';

/** A gradient by the name of its variable. */
export type Given = readonly (readonly [string, TfTensor | null | undefined])[];
/** Variables that step, and their gradients. */
export type Pairs = readonly (readonly [Variable, TfTensor])[];
type Tree = Record<string, Floats>;

/** Variables by name, ready to step. */
export class Variables {
  #place: Place | undefined;
  #parameters: Tree = {};
  #gradients: Tree = {};

  /** Bytes that the last step moved between TensorFlow.js and the leaves. */
  get copiedBytes(): number {
    return this.#place?.copiedBytes ?? 0;
  }

  /** Throws for what can't step; then nothing has changed. */
  checked(given: Given): Pairs {
    return given
      .flatMap(([name, gradient]) => (gradient ? [[variableOf(name), gradient] as const] : []))
      .map(checkPair);
  }

  /** The trees of a step. They are those of the last one if all leaves are: then its plan serves again. */
  trees(pairs: Pairs): { readonly parameters: Tree; readonly gradients: Tree } {
    const place = this.#placeNow();
    place.begin(pairs);
    const leaves = pairs.map(
      ([variable, gradient]) =>
        [variable.name, place.leafOf(variable), place.gradientOf(gradient, variable.name)] as const,
    );
    const areSame =
      leaves.length === Object.keys(this.#parameters).length &&
      leaves.every(([name, leaf, gradient]) => this.#parameters[name] === leaf && this.#gradients[name] === gradient);
    if (!areSame) {
      this.#parameters = Object.fromEntries(leaves.map(([name, leaf]) => [name, leaf]));
      this.#gradients = Object.fromEntries(leaves.map(([name, , gradient]) => [name, gradient]));
    }
    return { parameters: this.#parameters, gradients: this.#gradients };
  }

  /** Where the present backend has its elements. */
  #placeNow(): Place {
    const Kind = isWebAssembly(tf.engine().backend) ? Heap : OwnMemory;
    if (!(this.#place instanceof Kind)) this.#place = new Kind();
    return this.#place;
  }

  /** The step has written the leaves. */
  wrote(pairs: Pairs): void {
    for (const [variable] of pairs) this.#place?.wrote(variable);
  }

  /** Lets go of all. */
  clear(): void {
    this.#place = undefined;
    this.#parameters = this.#gradients = {};
  }
}

function variableOf(name: string): Variable {
  const registered = tf.engine().registeredVariables as Readonly<Record<string, Variable | undefined>>;
  const variable = registered[name];
  if (variable) return variable;
  throw coded(Error, 'missing-parameter', `${name}: there is no variable of this name: it was disposed, or never made`);
}

function checkPair(pair: readonly [Variable, TfTensor]): readonly [Variable, TfTensor] {
  const [variable, gradient] = pair;
  const { name } = variable;
  for (const [what, { dtype }] of [[name, variable] as const, [`gradient of ${name}`, gradient] as const])
    if (dtype !== 'float32') throw typeError('dtype-mismatch', what, 'float32', new Verbatim(dtype));
  const [expected, received] = [variable.shape, gradient.shape].map((shape) => `[${shape.join(', ')}]`);
  if (expected === received) return pair;
  throw rangeError('shape-mismatch', `gradient of ${name}`, `the shape ${expected}`, new Verbatim(received));
}
