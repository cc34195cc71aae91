// The optimizer: MLX's SGD as a class. The arithmetic is the addon's.
import type { inspect, InspectOptions } from 'node:util';
import { calledFrom, calledFromAsync, publicFunctionsOf } from '../caller';
import type { LoadedState, LoadOptions } from '../checkpoint/load';
import type { SaveOptions, SavePath } from '../checkpoint/save';
import type { Bytes } from '../safetensors/options';
import type { AllGradients, GradientMean, SomeGradients } from '../gradients/mean';
import type { SGDAround } from '../state/around';
import type { LeafFilter } from '../state/groups';
import type { SGDHyperparameters } from '../state/hyperparameters';
import type { OptimizerState, Schedule } from '../state/types';
import type { FileUrl, GradientLike, Leaf, PartialTree, Synchronous, Tree } from '../tree/types';
import type { LastRun } from './device';
import { OPTION_NAMES } from './configuration';
import { Engine } from './engine';
import type { SGDOptions, StepOptions } from './options';
import { defineReadings, type SGDReadings } from './readings';
import { defineProperties, refuseOtherProperties } from './strict';

/**
 * Stochastic gradient descent with momentum, weight decay, dampening and Nesterov momentum. In float32 it matches
 * `mlx.optimizers.SGD` (MLX 0.32.4) bit for bit. Each element takes these operations, each rounded by itself:
 *
 *     g' = g + wd * w                     only if wd != 0
 *     mu <= 0:  w <- w - lambda * g'
 *     mu > 0:   v <- mu * v + (1 - tau) * g'
 *               u  = nesterov ? g' + mu * v : v
 *               w <- w - lambda * u
 *
 * float16 and bfloat16 are computed in float32, and each stored value is rounded once. float64 is computed in double.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the static block defines what it declares
export class SGD {
  readonly #engine: Engine;

  /**
   * @param learningRate lambda: a number, or a function of the number of completed steps.
   * @param options See `SGDOptions`.
   * @throws TypeError or RangeError (code `invalid-hyperparameter`, `invalid-option`) that names what is wrong; code
   *   `no-gpu` if `device` is `'gpu'` and there is none; code `addon` if the native addon can't be loaded.
   */
  constructor(learningRate: number | Schedule, options: SGDOptions = {}) {
    this.#engine = calledFrom(new.target, () => new Engine(learningRate, options, entryOf));
  }

  /**
   * Makes zero velocities for all leaves of `parameters`, if there is a momentum. Steps make those they need themselves.
   *
   * @throws TypeError or RangeError that names the path; then nothing has changed.
   */
  init<P>(parameters: P & Tree<P>): void {
    this.#engine.init(parameters);
  }

  /** Does for one leaf what `init` does: gives `state` a zero velocity `v` like `parameter`, if there is a momentum. */
  initSingle(parameter: Leaf, state: { v?: Leaf }): void {
    this.#engine.initSingle(parameter, state);
  }

  /**
   * Steps one leaf with the present learning rate. `step` does not advance.
   *
   * @param gradient Read, never written.
   * @param parameter Read, never written.
   * @param state Its `v` is written in place, and made if missing; untouched without momentum.
   * @returns The new parameter in an array of its own (shared if `parameter` is).
   * @throws TypeError or RangeError; then nothing has changed.
   */
  applySingle<L extends Leaf>(gradient: GradientLike<L>, parameter: L, state: { v?: Leaf }): L {
    return this.#engine.applySingle(gradient, parameter, state) as L;
  }

  /**
   * Takes one step and leaves the parameters alone.
   *
   * @returns New arrays (shared for shared parameters) in the structure of `gradients`; of `parameters`, if gradients were
   *   accumulated.
   * @throws As `update`.
   */
  applyGradients<P>(gradients: AllGradients<P>, parameters: P & Tree<P>, options?: StepOptions): P;
  applyGradients<P>(
    gradients: SomeGradients<P> | undefined,
    parameters: P & Tree<P>,
    options?: StepOptions,
  ): PartialTree<P>;
  applyGradients(gradients: unknown, parameters: unknown, options?: StepOptions): unknown {
    return this.#engine.steps.applyGradients(gradients, parameters, options);
  }

  /**
   * Takes one step. Writes parameters and velocities in place (masters and averages too, if there are any); never writes
   * gradients.
   *
   * @param parameters A tree of leaves. It may have more leaves than `gradients`.
   * @param gradients A tree of the same structure, or of a part of it; or several, by `meanOf`. Those of 16-bit parameters
   *   may be float32, and are taken unrounded. May be left out after `accumulate`.
   * @throws TypeError or RangeError that names the path, what was expected and what was received; code `busy` while
   *   asynchronous steps are pending; code `not-finite` under `nonFinite: 'error'`; code `loss-scale` where no smaller scale is
   *   left. Then nothing has changed.
   */
  update<P>(parameters: P & Tree<P>, gradients?: SomeGradients<P>, options?: StepOptions): void {
    this.#engine.steps.update(parameters, gradients, options);
  }

  /**
   * Takes one step off this thread. Steps of one optimizer run in the order of the calls. The arrays belong to the step
   * until the promise settles.
   *
   * @param parameters As for `update`, in shared memory, such as `zeros` makes.
   * @param gradients Likewise.
   * @returns Resolves with the step's `lastRun` when everything is written. Rejects at once with what `update` would throw,
   *   and with code `not-shared` for ordinary arrays; with code `aborted` if an earlier step failed; with `not-finite` or
   *   `loss-scale` as `update`. Then nothing was written.
   */
  async updateAsync<P>(parameters: P & Tree<P>, gradients?: SomeGradients<P>, options?: StepOptions): Promise<LastRun> {
    return this.#engine.steps.updateAsync(parameters, gradients, options);
  }

  /**
   * Adds gradients to the sums of their leaves. The next step takes the mean of all trees that were added and of its own:
   * the same bits as `meanOf` of them. A leaf that some trees lack gets less; the divisor is the number of trees.
   *
   * @param gradients A tree, or several by `meanOf`, which are added one by one. Sums are float32 (float64 for float64).
   * @throws TypeError or RangeError that names the path; code `busy` while asynchronous steps are pending. What does not
   *   match the parameters, the step says.
   */
  accumulate<G>(gradients: (G & Tree<G>) | GradientMean): void {
    this.#engine.accumulate(gradients);
  }

  /** Forgets what was accumulated. */
  discardAccumulated(): void {
    this.#engine.discardAccumulated();
  }

  /**
   * Runs a synchronous function once the steps called before are done, and before later ones begin. There, nothing writes
   * the parameters: `state` and `clone` can be read, and `assign` can write. If no step waits behind it, all of the
   * optimizer can be changed too; else that throws with code `busy`.
   *
   * @returns Resolves with what `work` returns. Rejects with what it throws; with code `aborted` if an earlier step failed.
   */
  async between<T>(work: () => Synchronous<T>): Promise<T> {
    return this.#engine.between(work);
  }

  /** Number of completed steps. Can be set while no step is pending. */
  get step(): number {
    return this.#engine.progress.step;
  }
  set step(value: number) {
    this.#engine.setStep(value);
  }

  /**
   * The learning rate of the last step (of the first, before that). Assign a number, which ends a schedule, or a
   * schedule, which is called with the number of completed steps.
   */
  get learningRate(): number {
    return this.#engine.progress.learningRate;
  }
  set learningRate(value: number | Schedule) {
    this.#engine.setLearningRate(value);
  }

  /**
   * The loss scale of the next step; `undefined` without one. A number assigned becomes the present scale, and growth starts
   * anew.
   */
  get lossScale(): number | undefined {
    return this.#engine.lossScale;
  }
  set lossScale(value: number | undefined) {
    this.#engine.setLossScale(value);
  }

  /** The leaves that train; `undefined`: all. Once assigned, all leaves are asked again at the next step. */
  get trainable(): LeafFilter | undefined {
    return this.#engine.configuration.trainable;
  }
  set trainable(value: LeafFilter | undefined) {
    this.#engine.configuration.setTrainable(value);
  }

  /**
   * Steps, learning rate, velocities, and what else the optimizer keeps. Reading gives the live arrays (`clone` copies
   * them). Assigning copies in, once all of it is checked: an error names every difference from the optimizer's tree, and
   * nothing has changed.
   */
  get state(): OptimizerState {
    return this.#engine.getState();
  }
  set state(value: OptimizerState) {
    this.#engine.setState(value);
  }

  /**
   * Saves steps, learning rate, velocities and, if given, parameters to one safetensors file with MLX's names. The save
   * waits for pending steps. Later ones wait until the file is whole (with `snapshot`: copied); until then everything
   * else throws with code `busy`. The file replaces an old one atomically: if writing fails, the old one stays.
   *
   * @param path A path, or a function of the number of completed steps.
   * @returns The path.
   * @throws At once for wrong arguments; Node's own error if the file can't be written; code `aborted` if an earlier step
   *   fails.
   */
  async save<P>(path: SavePath, options: SaveOptions<P> = {}): Promise<string> {
    return calledFromAsync(entryOf('save'), () => this.#engine.save(path, options));
  }

  /** The bytes of the file that `save` writes. */
  toBytes<P>(options: SaveOptions<P> = {}): Bytes {
    return this.#engine.toBytes(options);
  }

  /**
   * Loads what `save` or MLX has written: into the arrays that are there, or into new ones if the optimizer has no state.
   * Takes over the saved learning rate unless there is a schedule. Keeps the other hyperparameters.
   *
   * @throws RangeError of code `file-mismatch` that lists every difference (also as `differences`), or of code
   *   `invalid-file`; then nothing has changed. Node's own error if reading fails: arrays may then be partly written.
   */
  async load<P>(path: string | FileUrl, options: LoadOptions<P> = {}): Promise<LoadedState> {
    return calledFromAsync(entryOf('load'), () => this.#engine.load(path, options));
  }

  /** Loads the same from bytes in memory, at once. */
  fromBytes<P>(bytes: Uint8Array, options: LoadOptions<P> = {}): LoadedState {
    return this.#engine.fromBytes(bytes, options);
  }

  /** What the optimizer is, as `JSON.stringify` and `console.log` tell it. Its files are made by `save` and `toBytes`. */
  toJSON(): object {
    return this.#engine.description;
  }

  /** @internal */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions, show: typeof inspect): string {
    return `${this.constructor.name} ${show(this.toJSON(), options)}`;
  }

  static {
    defineProperties(
      this.prototype,
      OPTION_NAMES,
      (sgd, name) => sgd.#engine.configuration.get(name),
      (sgd, name, value) => {
        sgd.#engine.configuration.set(name, value, entryOf(name));
      },
    );
    defineReadings(this.prototype, (sgd: SGD) => sgd.#engine);
    refuseOtherProperties(this.prototype);
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as above
export interface SGD extends SGDHyperparameters, SGDAround, SGDReadings {}

const entryOf = publicFunctionsOf(SGD.prototype);
