// The variables of a TensorFlow.js optimizer, with their elements in memory that an `SGD` steps.
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import { coded, rangeError, typeError, Verbatim } from '../errors';
import { type Tensor, zeros } from '../index';
import { tf } from './peer';

/** What TensorFlow.js trains. */
export type Floats = Tensor<'float32'>;
/** A variable and the leaf with its elements. */
interface Held {
  readonly variable: Variable;
  readonly leaf: Floats;
  /** What the variable held when its elements were last those of the leaf. */
  dataId: object;
}

/** A gradient by the name of its variable. */
export type Given = readonly (readonly [string, TfTensor | null | undefined])[];

/** Variables by name, ready to step. */
export class Variables {
  readonly #held = new Map<string, Held>();
  /** Bytes that the last step moved between TensorFlow.js and the leaves. */
  copiedBytes = 0;

  /** Throws for what can't step; then nothing has changed. The others are named. */
  checked(given: Given): readonly (readonly [Variable, TfTensor])[] {
    return given
      .flatMap(([name, gradient]) => (gradient ? [[variableOf(name), gradient] as const] : []))
      .map(checkPair);
  }

  /** The leaf of a variable, with its present elements. */
  leafOf(variable: Variable): Floats {
    const { name } = variable;
    const known = this.#held.get(name);
    const held = known?.variable === variable && !isSharedWithOthers(variable) ? known : this.#hold(variable);
    if (held.dataId !== variable.dataId) this.#takeUp(held);
    return held.leaf;
  }

  #hold(variable: Variable): Held {
    const leaf = zeros(variable.shape);
    const held = { variable, leaf, dataId: {} };
    this.#held.set(variable.name, held);
    return held;
  }

  /** Somebody has written the variable: its elements go to the leaf. */
  #takeUp(held: Held): void {
    const { variable, leaf } = held;
    leaf.data.set(variable.dataSync());
    this.copiedBytes += leaf.data.byteLength;
    this.#show(held, leaf.data);
  }

  /** The elements of a gradient. */
  gradientOf(gradient: TfTensor): Floats {
    const data = gradient.dataSync() as Float32Array;
    if (!isShown(gradient, data)) this.copiedBytes += data.byteLength;
    return { data, shape: gradient.shape, dtype: 'float32' };
  }

  /** The step has written the leaf. Backends that keep memory of their own get a copy. */
  wrote(variable: Variable): void {
    const held = this.#held.get(variable.name);
    if (!held || isShown(variable, held.leaf.data)) return;
    this.copiedBytes += held.leaf.data.byteLength;
    this.#show(held, held.leaf.data.slice());
  }

  #show(held: Held, data: Float32Array): void {
    const { variable } = held;
    tf.tidy(() => {
      variable.assign(tf.tensor(data, variable.shape));
    });
    held.dataId = variable.dataId;
  }

  /** Lets go of all. */
  clear(): void {
    this.#held.clear();
  }
}

/** True where the backend keeps the very array: what a step writes there is seen. */
const isShown = (tensor: TfTensor, data: object): boolean => tensor.dataSync() === data;

/** True if another tensor, such as a clone, has the same elements: those must stay. */
const isSharedWithOthers = ({ dataId }: Variable): boolean => tf.engine().backend.refCount(dataId) > 1;

function variableOf(name: string): Variable {
  const registered = tf.engine().registeredVariables as Readonly<Record<string, Variable | undefined>>;
  const variable = registered[name];
  if (variable && !variable.isDisposed) return variable;
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
