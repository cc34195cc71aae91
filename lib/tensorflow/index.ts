// An SGD as an optimizer of TensorFlow.js.
import type { NamedTensorMap, serialization, Tensor as TfTensor } from '@tensorflow/tfjs-core';
import type { NamedTensor } from '@tensorflow/tfjs-core/dist/tensor_types';
import { coded } from '../errors';
import { type LastRun, type Schedule, SGD, type SGDOptions } from '../index';
import { tf } from './peer';
import type { Floats } from './place';
import { type Given, type Pairs, Variables } from './variables';

/** Options of `SGD`, all but those of several processes, whose steps wait. */
export type SgdOptions = Omit<SGDOptions, 'world'>;

/**
 * A `tf.Optimizer` whose steps an `SGD` takes. Variables are its parameters, by name: groups, `trainable` and files see the names.
 */
export class MetalSGD extends tf.Optimizer {
  /** By which saved models name it. */
  static readonly className = 'MetalSGD';

  readonly #sgd: SGD;
  readonly #options: SgdOptions;
  readonly #variables = new Variables();
  /** What `setWeights` has given to an optimizer without state, until a step tells what its variables are called. */
  #restored: Restored | undefined;
  #isDisposed = false;

  /**
   * @param learningRate A number, or a function of the number of completed steps.
   * @param options As for `SGD`.
   * @throws As the constructor of `SGD`.
   */
  constructor(learningRate: number | Schedule, options: SgdOptions = {}) {
    super();
    this.#sgd = new SGD(learningRate, options);
    this.#options = options;
  }

  /** The optimizer that takes the steps. Save and load it, and change it, as any other. */
  get sgd(): SGD {
    if (this.#restored) this.#restore(this.#restored);
    return this.#sgd;
  }

  #restore(parameters: Restored): void {
    this.#restored = undefined;
    this.#sgd.state = { ...this.#sgd.state, parameters };
  }

  /** Completed steps: those of `sgd`. */
  override get iterations(): number {
    return this.#sgd.step;
  }

  get learningRate(): number {
    return this.#sgd.learningRate;
  }
  set learningRate(value: number | Schedule) {
    this.#sgd.learningRate = value;
  }

  /** What the last step did; `copiedBytes` counts what moved between TensorFlow.js and the step, too. */
  get lastRun(): LastRun | undefined {
    const { lastRun } = this.#sgd;
    return lastRun && { ...lastRun, copiedBytes: lastRun.copiedBytes + this.#variables.copiedBytes };
  }

  /**
   * Takes one step.
   *
   * @param variableGradients Gradients by the names of their variables: float32, of the same shapes. Others are left alone.
   * @throws TypeError or RangeError that names the variable; an Error with code `missing-parameter` for one that is not there,
   *   `disposed` after `dispose`. Then nothing was written.
   */
  applyGradients(variableGradients: NamedTensorMap | NamedTensor[]): void {
    if (this.#isDisposed) throw coded(Error, 'disposed', 'applyGradients: this optimizer was disposed; make another');
    const variables = this.#variables;
    const pairs = variables.checked(givenOf(variableGradients));
    if (this.#restored) this.#restore(renamed(this.#restored, pairs));
    const { parameters, gradients } = variables.trees(pairs);
    this.#sgd.update(parameters, gradients);
    variables.wrote(pairs);
  }

  /** Steps and velocities (also masters and averages), as new tensors with names such as `dense/kernel/v`. */
  override async getWeights(): Promise<NamedTensor[]> {
    const { parameters } = this.sgd.state;
    const arrays = Object.entries(parameters as Readonly<Record<string, Readonly<Record<string, Floats>>>>).flatMap(
      ([name, parts]) =>
        Object.entries(parts).map(([part, { data, shape }]) => ({
          name: `${name}/${part}`,
          tensor: tf.tensor(data.slice(), [...shape]),
        })),
    );
    return [await this.saveIterations(), ...arrays];
  }

  /** Goes on from what `getWeights` gave. */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    const [iterations, ...arrays] = weightValues;
    const parameters: Record<string, Record<string, Floats>> = {};
    for (const { name, tensor } of arrays) {
      const slash = name.lastIndexOf('/');
      const parts = (parameters[name.slice(0, slash)] ??= {});
      parts[name.slice(slash + 1)] = {
        data: (await tensor.data()) as Float32Array,
        shape: tensor.shape,
        dtype: 'float32',
      };
    }
    const [step] = await iterations.tensor.data();
    if (Object.keys(this.#sgd.state.parameters).length > 0) this.#sgd.state = { ...this.#sgd.state, parameters };
    else this.#restored = parameters;
    this.#sgd.step = step;
  }

  override async saveIterations(): Promise<NamedTensor> {
    return Promise.resolve({ name: 'iter', tensor: tf.scalar(this.iterations, 'int32') });
  }

  /** Lets go of the variables, whose elements stay. */
  override dispose(): void {
    this.#isDisposed = true;
    this.#variables.clear();
  }

  /** What `tf.loadLayersModel` makes the optimizer of: the present learning rate, and the options. */
  getConfig(): serialization.ConfigDict {
    const { groups = [], trainable, ...plain } = this.#options;
    if (groups.length > 0 || trainable)
      throw coded(Error, 'invalid-option', 'getConfig: groups and trainable are code, which no file holds');
    return { learningRate: this.learningRate, options: plain as serialization.ConfigDict };
  }

  /** @nocollapse */
  static override fromConfig<T extends serialization.Serializable>(
    cls: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    return new cls(config['learningRate'], config['options']);
  }
}

tf.serialization.registerClass(MetalSGD);

/** The arrays of each variable, by its name. */
type Restored = Readonly<Record<string, Readonly<Record<string, Floats>>>>;

/**
 * A model that is loaded where it was saved gets other names, since its variables are there already: then arrays belong to
 * the variables in the same place.
 */
function renamed(restored: Restored, pairs: Pairs): Restored {
  const entries = Object.entries(restored);
  const names = pairs.map(([{ name }]) => name);
  if (entries.length !== names.length || entries.some(([name]) => names.includes(name))) return restored;
  const fits = entries.every(([, parts], i) =>
    Object.values(parts).every(({ shape }) => String(shape) === String(pairs[i][1].shape)),
  );
  return fits ? Object.fromEntries(entries.map(([, parts], i) => [names[i], parts])) : restored;
}

/** Makes an optimizer for `model.compile`, `optimizer.minimize` and the like; arguments as for `SGD`. */
export const sgd = (learningRate: number | Schedule, options?: SgdOptions): MetalSGD =>
  new MetalSGD(learningRate, options);

function givenOf(variableGradients: NamedTensorMap | NamedTensor[]): Given {
  if (!Array.isArray(variableGradients)) return Object.entries(variableGradients);
  return variableGradients.map(({ name, tensor }): [string, TfTensor] => [name, tensor]);
}
