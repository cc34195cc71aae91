// What an optimizer does. The class `SGD` is its face: names, types and documentation.
import { types } from 'node:util';
import { calledFrom, callerOf, type PublicFunction } from '../caller';
import { checkLoad, type LoadedState, loadState, loadStateBytes } from '../checkpoint/load';
import { Save } from '../checkpoint/save';
import { coded, typeError, Verbatim } from '../errors';
import type { Bytes } from '../safetensors/options';
import { checkFilter, type LeafFilter } from '../state/groups';
import { type HyperparameterName, withHyperparameter } from '../state/hyperparameters';
import { checkStep } from '../state/progress';
import { State } from '../state/state';
import type { OptimizerState } from '../state/types';
import { groupOf, type SGDGroup } from './group';
import { checkOptions } from './options';
import { Planner } from './planner';
import { Queue } from './queue';
import { Runner } from './runner';
import { applySingle, initSingle, type SingleState } from './single';

/** Finds a public method or accessor of the optimizer. */
type EntryOf = (name: string, accessor?: 'get' | 'set') => PublicFunction;

/** Of a function for `between`. */
function asynchronous(received: unknown): Error {
  const expected = 'a function that returns no promise, since later steps would not wait for it; await outside';
  return typeError('invalid-option', 'between', expected, received);
}

/** One optimizer. Arguments come as users give them, unchecked. */
export class Engine {
  readonly runner: Runner;
  readonly groups: readonly SGDGroup[];
  readonly #entryOf: EntryOf;
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;

  constructor(learningRate: unknown, options: unknown, entryOf: EntryOf) {
    const { device, hyperparameters, groups } = checkOptions(options, learningRate);
    this.#entryOf = entryOf;
    this.#state = new State(learningRate, hyperparameters, groups);
    this.runner = new Runner(device, groups.all(hyperparameters));
    this.groups = Object.freeze(Array.from({ length: groups.count }, (_, i) => groupOf(this, i)));
    this.#queue = new Queue(entryOf);
    this.#planner = new Planner(this.#state, this.runner);
  }

  get hyperparameters(): State['hyperparameters'] {
    return this.#state.hyperparameters;
  }

  get progress(): State['progress'] {
    return this.#state.progress;
  }

  init(parameters: unknown): void {
    this.#queue.call('init', () => this.#state.init(parameters));
  }

  initSingle(parameter: unknown, state: SingleState): void {
    this.#queue.call('initSingle', () => {
      this.#refuseSingle('initSingle');
      initSingle(parameter, state, this.#state);
    });
  }

  /** One leaf by itself belongs to no group. */
  #refuseSingle(what: string): void {
    if (this.groups.length === 0) return;
    throw coded(Error, 'not-single', `${what}: takes no groups; use an optimizer without them, or update`);
  }

  applySingle(gradient: unknown, parameter: unknown, state: SingleState): object {
    return this.#queue.call('applySingle', () => {
      this.#refuseSingle('applySingle');
      return applySingle(gradient, parameter, state, this.#state, this.runner);
    });
  }

  applyGradients(gradients: unknown, parameters: unknown): unknown {
    return this.#queue.call('applyGradients', () => {
      const { progress, groups } = this.#state;
      const rate = progress.rate();
      const groupRates = groups.rates(progress.step, rate);
      const { prepared, result } = this.#planner.planCopies(parameters, gradients);
      this.runner.stepOnce(prepared, rate, groupRates);
      this.#completed(rate, groupRates);
      return result;
    });
  }

  /** Written without closures: a warm step takes about a microsecond. */
  update(parameters: unknown, gradients: unknown): void {
    this.#queue.begin('update');
    try {
      const { progress, groups } = this.#state;
      const rate = progress.rate();
      const groupRates = groups.rates(progress.step, rate);
      const plan = this.#planner.plan(parameters, gradients);
      this.runner.step(plan, rate, groupRates);
      this.#completed(rate, groupRates);
    } catch (error) {
      throw this.#queue.atCaller(error, 'update');
    } finally {
      this.#queue.end();
    }
  }

  updateAsync(parameters: unknown, gradients: unknown): Promise<void> {
    const { plan, rate, groupRates } = this.#queue.callAsync('updateAsync', () => {
      const { progress, groups } = this.#state;
      const rate = progress.rate(this.#queue.steps);
      const groupRates = groups.rates(progress.step + this.#queue.steps, rate);
      return { rate, groupRates, plan: this.#planner.plan(parameters, gradients, true) };
    });
    const run = (): Promise<void> => this.runner.stepAsync(plan, rate, groupRates);
    return this.#queue.step(plan, run, () => {
      this.#completed(rate, groupRates);
    });
  }

  #completed(rate: number, groupRates: readonly number[]): void {
    this.#state.progress.completed(rate);
    this.#state.groups.completed(groupRates);
  }

  between<T>(work: () => T): Promise<T> {
    this.#queue.callAsync('between', () => {
      if (typeof work !== 'function') throw typeError('invalid-option', 'between', 'a function', work);
      if (types.isAsyncFunction(work)) throw asynchronous(new Verbatim('an async function'));
    });
    const atCall = callerOf(this.#entryOf('between'));
    return this.#queue.between(() => {
      const result: unknown = work();
      if (!types.isPromise(result)) return result as T;
      result.catch(() => undefined);
      throw atCall(asynchronous(result));
    });
  }

  /** Leaves that have been stepped or have a velocity. */
  get leaves(): number {
    return this.#state.slots.all.length;
  }

  /** Steps that are pending. */
  get pending(): number {
    return this.#queue.steps;
  }

  setStep(value: unknown): void {
    this.#queue.call('step', () => {
      this.#state.progress.restore(checkStep('step', value));
    });
  }

  setLearningRate(value: unknown): void {
    this.#queue.call('learningRate', () => {
      this.#state.progress.assignRate(value);
    });
  }

  setHyperparameter(name: HyperparameterName, value: unknown): void {
    this.#configure(name, this.#entryOf(name), () => {
      const next = withHyperparameter(this.#state.hyperparameters, name, value);
      this.#state.groups.check(next);
      this.#state.hyperparameters = next;
    });
  }

  /** Changes hyperparameters by `change`, which throws before it has changed any. */
  #configure(what: string, entry: PublicFunction, change: () => void): void {
    const before = this.#state.usesVelocity;
    calledFrom(entry, () => {
      this.#queue.assertIdle(what);
      change();
    });
    // A plan that was made without velocities doesn't fit a momentum.
    const { usesVelocity, groups, hyperparameters } = this.#state;
    if (usesVelocity.some((uses, group) => uses !== before[group])) this.#planner.drop();
    this.runner.configure(groups.all(hyperparameters));
  }

  groupHyperparameters(i: number): State['hyperparameters'] {
    return this.#state.groups.all(this.#state.hyperparameters)[i + 1];
  }

  setGroupHyperparameter(i: number, name: HyperparameterName, value: unknown, entry: PublicFunction): void {
    this.#configure(`groups.${String(i)}.${name}`, entry, () => {
      this.#state.groups.set(i, name, value, this.#state.hyperparameters);
    });
  }

  groupFilter(i: number): LeafFilter {
    return this.#state.groups.filter(i);
  }

  groupRate(i: number): number {
    return this.#state.groups.currentRates(this.#state.progress.learningRate)[i];
  }

  setGroupRate(i: number, value: unknown, entry: PublicFunction): void {
    calledFrom(entry, () => {
      this.#queue.assertIdle(`groups.${String(i)}.learningRate`);
      this.#state.groups.setRate(i, value, this.#state.progress.step);
    });
  }

  get trainable(): LeafFilter | undefined {
    return this.#state.groups.trainable;
  }

  setTrainable(value: unknown): void {
    this.#queue.call('trainable', () => {
      this.#state.groups.trainable = value === undefined ? undefined : checkFilter('trainable', value);
      this.#planner.drop();
    });
  }

  getState(): OptimizerState {
    return calledFrom(this.#entryOf('state', 'get'), () => {
      this.#queue.assertStill('state');
      return this.#state.read();
    });
  }

  setState(value: unknown): void {
    this.#queue.call('state', () => {
      this.#state.assign(value);
      this.#planner.drop();
    });
  }

  save(path: unknown, options: unknown): Promise<string> {
    const save = this.#queue.callAsync('save', () => new Save(path, options, this.#state));
    const { isSnapshot, footprint } = save;
    return this.#queue.save({ write: (turn) => save.write(turn), isSnapshot, footprint });
  }

  toBytes(options: unknown): Bytes {
    return this.#queue.call('toBytes', () => new Save('bytes', options, this.#state).toBytes());
  }

  load(path: unknown, options: unknown): Promise<LoadedState> {
    const request = this.#queue.call('load', () => checkLoad(path, options, this.#state));
    this.#planner.drop();
    return this.#queue.exclusive(() => loadState(request) as Promise<LoadedState>);
  }

  fromBytes(bytes: Uint8Array, options: unknown): LoadedState {
    return this.#queue.call('fromBytes', () => {
      this.#planner.drop();
      return loadStateBytes(bytes, checkLoad('bytes', options, this.#state));
    });
  }
}
