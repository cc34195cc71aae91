// The optimizer: MLX's SGD as a class. Policy is here and in the files beside it; the arithmetic is the addon's.
import { types } from 'node:util';
import { type LoadedNumbers, type LoadedState, type LoadOptions, stateLoader } from '../checkpoint/load';
import { checkBytes, checkPath } from '../safetensors/options';
import { loadBytes, loadFile } from '../safetensors/read';
import { Save, type SavedNumbers, type SaveOptions, type SavePath } from '../checkpoint/save';
import { joinPieces } from '../safetensors/write';
import { type LastRun, lastRunOf, policyFor, type RunPolicy } from './device';
import { coded, rangeError, show, typeError } from '../errors';
import {
  checkLearningRate,
  checkNesterov,
  checkNumber,
  checkOptions,
  checkTogether,
  type DeviceChoice,
  type Hyperparameters,
  learningRateAt,
  type SGDOptions,
} from '../state/hyperparameters';
import {
  checkAlike,
  checkLeaf,
  checkStillThere,
  type CheckedLeaf,
  isShared,
  looksLikeLeaf,
  notALeaf,
} from '../tree/leaf';
import { copyOf, copiesLike, leafReader } from '../memory/zeros';
import { SETTINGS } from '../addon/native';
import { checkSeparate } from '../memory/overlap';
import { pairUp } from './pairs';
import { Plan, prepare, type Runner, stepLater, stepNow, stepOnce, type Stepped } from './plan';
import type { ReadTree } from './snapshot';
import { buildTree, leavesOf, mapTree, readTree } from '../tree/tree';
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
import { makeVelocities, Slot, Velocities } from '../state/slots';

/** A step that `updateAsync` has taken on. */
interface PendingStep {
  readonly plan: Plan;
  readonly learningRate: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** A save that waits for the steps before it. */
interface PendingSave {
  readonly save: Save;
  readonly resolve: (path: string) => void;
  readonly reject: (reason: unknown) => void;
}

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
  readonly #settings = new Float64Array(Object.keys(SETTINGS).length);
  readonly #runner: Runner;
  #hyperparameters: Hyperparameters;
  /** As assigned. */
  #rate: number | Schedule;
  /** Of the last step, or of the first before that. */
  #learningRate: number;
  #step = 0;
  #velocities = new Velocities();
  #plan: Plan | undefined;
  #hasRun = false;
  #pending: (PendingStep | PendingSave)[] = [];
  #isLoading = false;
  /** Files are written one after another, so that the last one called for stays. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  /**
   * @param learningRate lambda: a number, or a function of the number of completed steps.
   * @param options Momentum, weight decay, dampening, Nesterov, device; see `SGDOptions`.
   * @throws TypeError or RangeError (code `invalid-hyperparameter`, `invalid-option`) that names what is wrong;
   *   code `no-gpu` if `device` is `'gpu'` and there is none; code `addon` if the native addon can't be loaded.
   */
  constructor(learningRate: number | Schedule, options: SGDOptions = {}) {
    const { device, ...hyperparameters } = checkOptions(options);
    this.#rate = checkLearningRate(learningRate);
    this.#learningRate = learningRateAt(this.#rate, 0);
    this.#hyperparameters = hyperparameters;
    this.#device = device;
    this.#policy = policyFor(device);
    this.#runner = { target: this.#policy.target, settings: this.#settings };
    this.#writeSettings();
  }

  /**
   * Makes zero velocities for all of `parameters` that have none yet, if there is a momentum. Steps do so by themselves
   * for the leaves that have a gradient.
   *
   * @throws TypeError or RangeError that names the path; then nothing has changed.
   */
  init<P>(parameters: P & Tree<P>): void {
    this.#assertIdle('init');
    const node = readTree(parameters, 'parameters', leafReader);
    const { slots, keep } = this.#velocities.slotsFor(node, 'parameters');
    if (this.#hyperparameters.momentum > 0) makeVelocities(slots);
    keep();
  }

  /** Gives `state` a zero velocity `v` like `parameter`, if there is a momentum: what `init` does for one leaf. */
  initSingle(parameter: Leaf, state: { v?: Leaf }): void {
    this.#assertIdle('initSingle');
    const slot = new Slot(checkSingle(parameter, 'parameter'));
    checkState(state);
    if (!(this.#hyperparameters.momentum > 0)) return;
    makeVelocities([slot]);
    state.v = slot.v?.leaf as Leaf;
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
    this.#assertIdle('applySingle');
    const given = checkSingle(parameter, 'parameter');
    const read = checkSingle(gradient, 'gradient');
    checkAlike(read, given);
    checkState(state);
    const slot = new Slot(given);
    const { v } = state;
    if (this.#hyperparameters.momentum > 0 && v !== undefined) {
      slot.v = checkSingle(v, 'state.v');
      checkAlike(slot.v, given);
      checkSeparate([slot.v], [read, given]);
    }
    const result = copyOf(given);
    const stepped = this.#withVelocities([{ parameter: checkLeaf(result, 'parameter'), gradient: read, slot }]);
    const prepared = prepare(stepped, this.#runner);
    // Before the step: a state that can't take it throws, and then nothing has changed.
    if (slot.v && v === undefined) state.v = slot.v.leaf as Leaf;
    this.#settings[SETTINGS.learningRate] = this.#learningRate;
    stepOnce(prepared);
    return result as L;
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
    this.#assertIdle('applyGradients');
    const learningRate = learningRateAt(this.#rate, this.#step);
    const read = this.#read(parameters, gradients);
    const { stepped, keep } = this.#pairWithSlots(read);
    const copies = copiesLike(stepped.map(({ parameter }) => parameter));
    const onCopies = stepped.map((one, i) => ({
      ...one,
      parameter: checkLeaf(copies[i], one.parameter.name),
    }));
    const prepared = prepare(this.#withVelocities(onCopies), this.#runner);
    keep();
    this.#settings[SETTINGS.learningRate] = learningRate;
    stepOnce(prepared);
    this.#completed(learningRate);
    let next = 0;
    return buildTree(read.gradients.node, () => copies[next++]);
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
    this.#assertIdle('update');
    const learningRate = learningRateAt(this.#rate, this.#step);
    const plan = this.#planFor(parameters, gradients);
    this.#settings[SETTINGS.learningRate] = learningRate;
    stepNow(plan.prepared);
    this.#completed(learningRate);
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
  updateAsync<P>(parameters: P & Tree<P>, gradients: DeepPartial<P>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertNotLoading('updateAsync');
      const steps = this.#pending.filter((one) => 'plan' in one).length;
      const learningRate = learningRateAt(this.#rate, this.#step + steps);
      const plan = this.#planFor(parameters, gradients, true);
      this.#pending.push({ plan, learningRate, resolve, reject });
      if (this.#pending.length === 1) this.#startNext();
    });
  }

  /** Number of completed steps. Can be set while no step is pending. */
  get step(): number {
    return this.#step;
  }

  set step(value: number) {
    this.#assertIdle('step');
    this.#step = checkStep('step', value);
  }

  /**
   * The learning rate of the last step (of the first, before that). Assign a number, which ends a schedule, or a
   * schedule. A schedule is asked with the number of completed steps.
   */
  get learningRate(): number {
    return this.#learningRate;
  }

  set learningRate(value: number | Schedule) {
    this.#assertIdle('learningRate');
    const rate = checkLearningRate(value);
    this.#learningRate = learningRateAt(rate, this.#step);
    this.#rate = rate;
    this.#writeSettings();
  }

  /** mu. Where it is not above 0, steps are plain and velocities rest. */
  get momentum(): number {
    return this.#hyperparameters.momentum;
  }

  set momentum(value: number) {
    this.#change({ momentum: checkNumber('momentum', value) }, 'momentum');
  }

  /** wd. */
  get weightDecay(): number {
    return this.#hyperparameters.weightDecay;
  }

  set weightDecay(value: number) {
    this.#change({ weightDecay: checkNumber('weightDecay', value) }, 'weightDecay');
  }

  /** tau; one that is not above 0 dampens nothing. */
  get dampening(): number {
    return this.#hyperparameters.dampening;
  }

  set dampening(value: number) {
    this.#change({ dampening: checkNumber('dampening', value) }, 'dampening');
  }

  /** Whether steps look ahead along the velocity. */
  get nesterov(): boolean {
    return this.#hyperparameters.nesterov;
  }

  set nesterov(value: boolean) {
    this.#change({ nesterov: checkNesterov(value) }, 'nesterov');
  }

  /** As asked for. */
  get device(): DeviceChoice {
    return this.#device;
  }

  /** Where the last step ran, and why; `undefined` before the first. */
  get lastRun(): LastRun | undefined {
    return this.#hasRun ? lastRunOf(this.#policy, this.#settings) : undefined;
  }

  /**
   * Steps, learning rate and velocities. Reading gives the live arrays (`clone` copies them). Assigning copies in, after
   * checking all of it: an error names every difference from the tree that the optimizer has, and leaves it as it was.
   */
  get state(): OptimizerState {
    this.#assertIdle('state');
    return { step: this.#step, learningRate: this.#learningRate, parameters: this.#velocities.toState() };
  }

  set state(value: OptimizerState) {
    this.#assertIdle('state');
    const given: unknown = value;
    if (typeof given !== 'object' || given === null) {
      throw typeError('invalid-state', 'state', '{ step, learningRate, parameters }', given);
    }
    const { step, learningRate, parameters, ...others } = given as Partial<Record<keyof OptimizerState, unknown>>;
    const extra = Object.keys(others).at(0);
    if (extra !== undefined) throw rangeError('invalid-state', 'state', 'only step, learningRate, parameters', extra);
    const checkedStep = checkStep('state.step', step);
    const checkedRate = checkNumber('state.learningRate', learningRate);
    this.#velocities.assign(parameters, 'state.parameters');
    this.#replacePlan();
    this.#step = checkedStep;
    this.#restoreRate(checkedRate);
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
  save<P>(path: SavePath, options: SaveOptions<P> = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#assertNotLoading('save');
      const save = new Save(path, options, this.#velocities);
      this.#pending.push({ save, resolve, reject });
      if (this.#pending.length === 1) this.#startNext();
    });
  }

  /** The bytes of the file that `save` writes. */
  toBytes<P>(options: SaveOptions<P> = {}): Uint8Array {
    this.#assertIdle('toBytes');
    return joinPieces(new Save('bytes', options, this.#velocities).pieces(this.#numbers()));
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
    this.#assertIdle('load');
    const file = checkPath(path);
    const begin = stateLoader(file, options, this.#velocities, this.#hyperparameters.momentum);
    this.#isLoading = true;
    try {
      return this.#take(await loadFile(file, begin));
    } finally {
      this.#isLoading = false;
    }
  }

  /** The same from bytes in memory, at once. */
  fromBytes<P>(bytes: Uint8Array, options: LoadOptions<P> = {}): LoadedState {
    this.#assertIdle('fromBytes');
    const begin = stateLoader('bytes', options, this.#velocities, this.#hyperparameters.momentum);
    return this.#take(loadBytes('bytes', checkBytes(bytes), begin));
  }

  #take({ step, learningRate, loaded }: LoadedNumbers): LoadedState {
    this.#replacePlan();
    this.#step = step ?? this.#step;
    if (learningRate !== undefined) this.#restoreRate(learningRate);
    return loaded;
  }

  #restoreRate(learningRate: number): void {
    this.#learningRate = learningRate;
    if (typeof this.#rate === 'number') this.#rate = learningRate;
    this.#writeSettings();
  }

  #numbers(): SavedNumbers {
    return { ...this.#hyperparameters, step: this.#step, learningRate: this.#learningRate };
  }

  #change(change: Partial<Hyperparameters>, name: string): void {
    this.#assertIdle(name);
    const next = { ...this.#hyperparameters, ...change };
    checkTogether(next);
    // A plan that was made without velocities doesn't fit a momentum.
    if (next.momentum > 0 !== this.#hyperparameters.momentum > 0) this.#replacePlan();
    this.#hyperparameters = next;
    this.#writeSettings();
  }

  #writeSettings(): void {
    const { momentum, weightDecay, dampening, nesterov } = this.#hyperparameters;
    const { flushSubnormals } = this.#policy;
    const values = { learningRate: this.#learningRate, momentum, weightDecay, dampening, nesterov, flushSubnormals };
    for (const [key, value] of Object.entries(values) as [keyof typeof values, number | boolean][]) {
      this.#settings[SETTINGS[key]] = Number(value);
    }
  }

  #assertIdle(what: string): void {
    this.#assertNotLoading(what);
    if (this.#pending.length === 0) return;
    const steps = this.#pending.filter((one) => 'plan' in one).length;
    if (steps === 0) throw coded(Error, 'busy', `${what}: expected no pending save, received a call while one writes`);
    throw coded(
      Error,
      'busy',
      `${what}: expected no pending step, received a call while ${String(steps)} of updateAsync are pending`,
    );
  }

  #assertNotLoading(what: string): void {
    if (this.#isLoading)
      throw coded(Error, 'busy', `${what}: expected no pending load, received a call while one reads`);
  }

  /** The plan for two trees: the last one while they are the same, else a new one, checked. */
  #planFor(parameters: unknown, gradients: unknown, shared = false): Plan {
    const last = this.#plan;
    // A getter of the trees may have assigned a momentum, which ends the plan.
    if (last?.fits(parameters, gradients) && last === this.#plan && (!shared || last.isShared)) return last;
    const read = this.#read(parameters, gradients);
    const { stepped, keep } = this.#pairWithSlots(read);
    if (shared) for (const { parameter, gradient } of stepped) checkShared(parameter, gradient);
    const plan = new Plan(read.parameters, read.gradients, this.#withVelocities(stepped), this.#runner);
    keep();
    this.#replacePlan(plan);
    return plan;
  }

  /** The addon lets go of the former plan at once, unless a pending step is to use it. */
  #replacePlan(plan?: Plan): void {
    const former = this.#plan;
    this.#plan = plan;
    if (former && !this.#pending.some((one) => 'plan' in one && one.plan === former)) former.release();
  }

  #read(parameters: unknown, gradients: unknown): { parameters: ReadTree; gradients: ReadTree } {
    const read = {
      parameters: { given: parameters, node: readTree(parameters, 'parameters', leafReader) },
      gradients: { given: gradients, node: readTree(gradients, 'gradients', leafReader) },
    };
    for (const { node } of Object.values(read)) leavesOf(node).forEach(checkStillThere);
    return read;
  }

  #pairWithSlots(read: { parameters: ReadTree; gradients: ReadTree }): { stepped: Stepped[]; keep: () => void } {
    const pairs = pairUp(read.parameters.node, read.gradients.node);
    const { slots, keep } = this.#velocities.slotsFor(
      mapTree(pairs, ({ parameter }) => parameter),
      'parameters',
    );
    const stepped = leavesOf(pairs).map((pair, i) => ({ ...pair, slot: slots[i] }));
    const velocities = slots.flatMap(({ v }) => v ?? []);
    checkSeparate([...leavesOf(read.parameters.node), ...velocities], leavesOf(read.gradients.node));
    return { stepped, keep };
  }

  /** The same, with velocities made where they are needed and hidden where they are not. */
  #withVelocities(stepped: readonly Stepped[]): readonly Stepped[] {
    if (!(this.#hyperparameters.momentum > 0)) {
      return stepped.map((one) => ({ ...one, slot: new Slot(one.parameter) }));
    }
    makeVelocities(stepped.map(({ slot }) => slot));
    return stepped;
  }

  #completed(learningRate: number): void {
    this.#learningRate = learningRate;
    this.#step++;
    this.#hasRun = true;
  }

  #startNext(): void {
    const next = this.#pending.at(0);
    if (!next) return;
    if ('save' in next) this.#startSave(next);
    else this.#startStep(next);
  }

  #startSave({ save, resolve, reject }: PendingSave): void {
    const leave = (): void => {
      this.#pending.shift();
      this.#startNext();
    };
    const written = save.write(this.#numbers(), this.#lastWrite);
    this.#lastWrite = written.catch(() => undefined);
    if (save.isSnapshot) {
      written.then(resolve, reject);
      leave();
    } else {
      written.finally(leave).then(resolve, reject);
    }
  }

  #startStep(next: PendingStep): void {
    this.#settings[SETTINGS.learningRate] = next.learningRate;
    stepLater(next.plan).then(
      () => {
        this.#pending.shift();
        this.#completed(next.learningRate);
        next.resolve();
        this.#startNext();
      },
      (reason: unknown) => {
        const [, ...waiting] = this.#pending;
        this.#pending = [];
        this.#writeSettings();
        next.reject(reason);
        const why = types.isNativeError(reason) ? reason.message : show(reason);
        for (const one of waiting) {
          const what = 'plan' in one ? 'updateAsync' : 'save';
          one.reject(coded(Error, 'aborted', `${what}: not run, since an earlier step failed: ${why}`, reason));
        }
      },
    );
  }
}

function checkSingle(leaf: unknown, name: string): CheckedLeaf {
  if (!looksLikeLeaf(leaf)) throw notALeaf(leaf, name);
  return checkLeaf(leaf, name);
}

function checkState(state: unknown): void {
  if (typeof state !== 'object' || state === null || ArrayBuffer.isView(state)) {
    throw typeError('invalid-state', 'state', 'an object that holds v, or will', state);
  }
}

function checkStep(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw rangeError('invalid-state', name, 'a whole number from 0', value);
  }
  return value;
}

function checkShared(...leaves: readonly CheckedLeaf[]): void {
  for (const { data, name } of leaves) {
    if (isShared(data)) continue;
    throw typeError(
      'not-shared',
      name,
      'shared memory, which nobody can take away from a running step: make it by zeros, zerosLike or clone',
      data,
    );
  }
}
