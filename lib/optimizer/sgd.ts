// The optimizer: MLX's SGD as a class. The arithmetic is the addon's.
import { SETTINGS } from '../addon/native';
import { checkLoad, type LoadedNumbers, type LoadedState, type LoadOptions, loadState } from '../checkpoint/load';
import { Save, type SavedNumbers, type SaveOptions, type SavePath } from '../checkpoint/save';
import { rangeError, typeError } from '../errors';
import { checkBytes, checkPath } from '../safetensors/options';
import { loadBytes, loadFile } from '../safetensors/read';
import { joinPieces } from '../safetensors/write';
import {
  checkNumber,
  type HyperparameterName,
  type Hyperparameters,
  usesVelocity,
  withHyperparameter,
} from '../state/hyperparameters';
import { checkStep, Progress } from '../state/progress';
import { makeVelocities, Slots } from '../state/slots';
import { leafReader } from '../tree/leaf';
import { readTree } from '../tree/tree';
import type {
  DeepPartial,
  FileUrl,
  Gradients,
  Leaf,
  LeafLike,
  OptimizerState,
  PartialTree,
  Schedule,
  Tree,
} from '../tree/types';
import { type DeviceChoice, type LastRun, lastRunOf, policyFor, type RunPolicy } from './device';
import { checkOptions, type SGDOptions } from './options';
import { type Runner, stepLater, stepNow, stepOnce } from './plan';
import { Planner } from './planner';
import { Queue } from './queue';
import { applySingle, initSingle } from './single';

/**
 * Stochastic gradient descent with momentum, weight decay, dampening and Nesterov momentum, equal to
 * `mlx.optimizers.SGD` (MLX 0.32.4) to the bit for float32. For each element, every operation rounded by itself:
 *
 *     g' = g + wd * w                     only if wd != 0
 *     mu <= 0:  w <- w - lambda * g'
 *     mu > 0:   v <- mu * v + (1 - tau) * g'
 *               u  = nesterov ? g' + mu * v : v
 *               w <- w - lambda * u
 *
 * float16 and bfloat16 are computed in float32, each stored value rounded once; float64 in double.
 */
export class SGD {
  readonly #device: DeviceChoice;
  readonly #policy: RunPolicy;
  readonly #runner: Runner;
  readonly #progress: Progress;
  readonly #queue = new Queue();
  readonly #slots = new Slots();
  readonly #planner: Planner;
  #hyperparameters: Hyperparameters;
  #hasRun = false;

  /**
   * @param learningRate lambda: a number, or a function of the number of completed steps.
   * @param options Momentum, weight decay, dampening, Nesterov, device; see `SGDOptions`.
   * @throws TypeError or RangeError (code `invalid-hyperparameter`, `invalid-option`) that names what is wrong;
   *   code `no-gpu` if `device` is `'gpu'` and there is none; code `addon` if the native addon can't be loaded.
   */
  constructor(learningRate: number | Schedule, options: SGDOptions = {}) {
    const { device, hyperparameters } = checkOptions(options);
    this.#progress = new Progress(learningRate);
    this.#hyperparameters = hyperparameters;
    this.#device = device;
    this.#policy = policyFor(device);
    this.#runner = {
      target: this.#policy.target,
      settings: new Float64Array(Object.keys(SETTINGS).length),
    };
    this.#planner = new Planner({
      slots: this.#slots,
      runner: this.#runner,
      usesVelocity: () => usesVelocity(this.#hyperparameters),
      isAwaited: (plan) => this.#queue.uses(plan),
    });
    this.#writeSettings();
  }

  /**
   * Makes zero velocities for all of `parameters` that have none yet, if there is a momentum. Steps do so by themselves
   * for the leaves that have a gradient.
   *
   * @throws TypeError or RangeError that names the path; then nothing has changed.
   */
  init<P>(parameters: P & Tree<P>): void {
    this.#queue.assertIdle('init');
    const node = readTree(parameters, 'parameters', leafReader);
    const { slots, commit } = this.#slots.slotsFor(node, 'parameters');
    if (usesVelocity(this.#hyperparameters)) makeVelocities(slots);
    commit();
  }

  /** Gives `state` a zero velocity `v` like `parameter`, if there is a momentum: what `init` does for one leaf. */
  initSingle(parameter: Leaf, state: { v?: Leaf }): void {
    this.#queue.assertIdle('initSingle');
    initSingle(parameter, state, usesVelocity(this.#hyperparameters));
  }

  /**
   * One leaf's update with the present learning rate; `step` does not advance.
   *
   * @param gradient Read, never written.
   * @param parameter Read, never written.
   * @param state Its `v` is written in place, and made if it is missing; untouched without momentum.
   * @returns The new parameter, in an array of its own (shared if `parameter` is).
   * @throws TypeError or RangeError; then nothing has changed.
   */
  applySingle<L extends Leaf>(gradient: LeafLike<L>, parameter: L, state: { v?: Leaf }): L {
    this.#queue.assertIdle('applySingle');
    const { learningRate } = this.#progress;
    const how = { ...this.#runner, learningRate, usesVelocity: usesVelocity(this.#hyperparameters) };
    return applySingle(gradient, parameter, state, how) as L;
  }

  /**
   * One step that leaves the parameters alone.
   *
   * @returns New arrays (shared ones for shared parameters) in the structure of `gradients`.
   * @throws As `update`.
   */
  applyGradients<P>(gradients: Gradients<P>, parameters: P & Tree<P>): P;
  applyGradients<P>(gradients: DeepPartial<P>, parameters: P & Tree<P>): PartialTree<P>;
  applyGradients(gradients: unknown, parameters: unknown): unknown {
    this.#queue.assertIdle('applyGradients');
    const rate = this.#progress.rate();
    const { prepared, result } = this.#planner.planCopies(parameters, gradients);
    this.#runner.settings[SETTINGS.learningRate] = rate;
    stepOnce(prepared);
    this.#completed(rate);
    return result;
  }

  /**
   * One step: writes the parameters and velocities in place. Gradients are never written.
   *
   * @param parameters A tree of leaves. It may have more leaves than `gradients`.
   * @param gradients A tree of the same structure, or of a part of it.
   * @throws TypeError or RangeError that names the path, what was expected and what was received; an error of code
   *   `busy` while asynchronous steps are pending. Then nothing has changed.
   */
  update<P>(parameters: P & Tree<P>, gradients: DeepPartial<P>): void {
    this.#queue.assertIdle('update');
    const rate = this.#progress.rate();
    const plan = this.#planner.plan(parameters, gradients);
    this.#runner.settings[SETTINGS.learningRate] = rate;
    stepNow(plan.prepared);
    this.#completed(rate);
  }

  /**
   * One step off this thread. Steps of one optimizer run one after another, in the order of the calls; until the promise
   * settles, the arrays belong to the step.
   *
   * @param parameters As for `update`; all leaves must be in shared memory, such as `zeros` gives.
   * @param gradients Likewise.
   * @returns Resolves when everything is written. Rejects with what `update` would throw, at once and without effect;
   *   with code `not-shared` for ordinary arrays; with code `aborted`, without effect, if an earlier step failed.
   */
  async updateAsync<P>(parameters: P & Tree<P>, gradients: DeepPartial<P>): Promise<void> {
    this.#queue.assertNotLoading('updateAsync');
    const rate = this.#progress.rate(this.#queue.steps);
    const plan = this.#planner.plan(parameters, gradients, true);
    const run = (): Promise<void> => {
      this.#runner.settings[SETTINGS.learningRate] = rate;
      return stepLater(plan);
    };
    return this.#queue.step(plan, run, () => {
      this.#completed(rate);
    });
  }

  /** Number of completed steps. Can be set while no step is pending. */
  get step(): number {
    return this.#progress.step;
  }

  set step(value: number) {
    this.#queue.assertIdle('step');
    this.#progress.restore(checkStep('step', value));
  }

  /**
   * The learning rate of the last step (of the first, before that). Assign a number, which ends a schedule, or a
   * schedule. A schedule is asked with the number of completed steps.
   */
  get learningRate(): number {
    return this.#progress.learningRate;
  }

  set learningRate(value: number | Schedule) {
    this.#queue.assertIdle('learningRate');
    this.#progress.assignRate(value);
  }

  /** mu. Where it is not above 0, steps are plain and velocities rest. */
  get momentum(): number {
    return this.#hyperparameters.momentum;
  }

  set momentum(value: number) {
    this.#change('momentum', value);
  }

  /** wd. */
  get weightDecay(): number {
    return this.#hyperparameters.weightDecay;
  }

  set weightDecay(value: number) {
    this.#change('weightDecay', value);
  }

  /** tau; one that is not above 0 dampens nothing. */
  get dampening(): number {
    return this.#hyperparameters.dampening;
  }

  set dampening(value: number) {
    this.#change('dampening', value);
  }

  /** Whether steps look ahead along the velocity. */
  get nesterov(): boolean {
    return this.#hyperparameters.nesterov;
  }

  set nesterov(value: boolean) {
    this.#change('nesterov', value);
  }

  /** As asked for. */
  get device(): DeviceChoice {
    return this.#device;
  }

  /** Where the last step ran, and why; `undefined` before the first. */
  get lastRun(): LastRun | undefined {
    return this.#hasRun ? lastRunOf(this.#policy, this.#runner.settings) : undefined;
  }

  /**
   * Steps, learning rate and velocities. Reading gives the live arrays (`clone` copies them). Assigning copies in, after
   * checking all of it: an error names every difference from the tree that the optimizer has, and leaves it as it was.
   */
  get state(): OptimizerState {
    this.#queue.assertIdle('state');
    const { step, learningRate } = this.#progress;
    return { step, learningRate, parameters: this.#slots.toState() };
  }

  set state(value: OptimizerState) {
    this.#queue.assertIdle('state');
    const given: unknown = value;
    if (typeof given !== 'object' || given === null) {
      throw typeError('invalid-state', 'state', '{ step, learningRate, parameters }', given);
    }
    const { step, learningRate, parameters, ...others } = given as Partial<Record<keyof OptimizerState, unknown>>;
    const extra = Object.keys(others).at(0);
    if (extra !== undefined) throw rangeError('invalid-state', 'state', 'only step, learningRate, parameters', extra);
    const checkedStep = checkStep('state.step', step);
    const checkedRate = checkNumber('state.learningRate', learningRate);
    this.#slots.assign(parameters, 'state.parameters');
    this.#restore(checkedStep, checkedRate);
  }

  /**
   * Saves steps, learning rate, velocities and, if asked for, parameters to one safetensors file with MLX's names. Steps
   * that are pending are waited for; later ones wait until the file is whole (or, with `snapshot`, copied), and until
   * then everything else throws with code `busy`. The file replaces an old one in one go; if it can't be written, the
   * old one is as it was.
   *
   * @param path Or a function that gives it for the number of completed steps.
   * @returns The path.
   * @throws What arguments deserve, at once; Node's own error if the file can't be written; code `aborted` if an earlier
   *   step fails.
   */
  async save<P>(path: SavePath, options: SaveOptions<P> = {}): Promise<string> {
    this.#queue.assertNotLoading('save');
    const save = new Save(path, options, this.#slots);
    return this.#queue.save((turn) => save.write(this.#numbers, turn), !save.isSnapshot);
  }

  /** The bytes of the file that `save` writes. */
  toBytes<P>(options: SaveOptions<P> = {}): Uint8Array {
    this.#queue.assertIdle('toBytes');
    return joinPieces(new Save('bytes', options, this.#slots).pieces(this.#numbers));
  }

  /**
   * Loads what `save` has written, or MLX: into the arrays that are there, or into new ones for an optimizer that has no
   * state. All but the elements is checked first. A learning rate that is a number is taken over; a schedule stays, and
   * so do the other hyperparameters.
   *
   * @throws RangeError of code `file-mismatch` that lists every difference (also as `differences`), or of code
   *   `invalid-file`; then nothing has changed. Node's own error if the file can't be read: then arrays may be partly
   *   written, if it began.
   */
  async load<P>(path: string | FileUrl, options: LoadOptions<P> = {}): Promise<LoadedState> {
    this.#queue.assertIdle('load');
    const file = checkPath(path);
    const request = checkLoad(options, this.#slots, usesVelocity(this.#hyperparameters));
    const load = (): Promise<LoadedNumbers> => loadFile(file, (contents) => loadState(file, contents, request));
    return this.#take(await this.#queue.exclusive(load));
  }

  /** The same from bytes in memory, at once. */
  fromBytes<P>(bytes: Uint8Array, options: LoadOptions<P> = {}): LoadedState {
    this.#queue.assertIdle('fromBytes');
    const request = checkLoad(options, this.#slots, usesVelocity(this.#hyperparameters));
    return this.#take(loadBytes('bytes', checkBytes(bytes), (contents) => loadState('bytes', contents, request)));
  }

  #take({ step, learningRate, loaded }: LoadedNumbers): LoadedState {
    this.#restore(step, learningRate);
    return loaded;
  }

  /** Goes on from other velocities and numbers. */
  #restore(step: number | undefined, learningRate: number | undefined): void {
    this.#planner.drop();
    this.#progress.restore(step, learningRate);
  }

  get #numbers(): SavedNumbers {
    const { step, learningRate } = this.#progress;
    return { ...this.#hyperparameters, step, learningRate };
  }

  #change(name: HyperparameterName, value: unknown): void {
    this.#queue.assertIdle(name);
    const former = this.#hyperparameters;
    this.#hyperparameters = withHyperparameter(former, name, value);
    // A plan that was made without velocities doesn't fit a momentum.
    if (usesVelocity(former) !== usesVelocity(this.#hyperparameters)) this.#planner.drop();
    this.#writeSettings();
  }

  #writeSettings(): void {
    const values = { ...this.#hyperparameters, flushSubnormals: this.#policy.flushSubnormals };
    for (const [key, value] of Object.entries(values) as [keyof typeof values, number | boolean][]) {
      this.#runner.settings[SETTINGS[key]] = Number(value);
    }
  }

  #completed(learningRate: number): void {
    this.#progress.completed(learningRate);
    this.#hasRun = true;
  }
}
