// What an optimizer does. The class `SGD` is its face: names, types and documentation.
import { types } from 'node:util';
import { calledFrom, callerOf, type PublicFunction } from '../caller';
import { checkLoad, type LoadedState, loadState, loadStateBytes } from '../checkpoint/load';
import { Save } from '../checkpoint/save';
import { typeError } from '../errors';
import type { Bytes } from '../safetensors/options';
import { type HyperparameterName, withHyperparameter } from '../state/hyperparameters';
import { checkStep } from '../state/progress';
import { State } from '../state/state';
import type { OptimizerState } from '../state/types';
import { checkOptions } from './options';
import { Planner } from './planner';
import { Queue } from './queue';
import { Runner } from './runner';
import { applySingle, initSingle, type SingleState } from './single';

/** Finds a public method or accessor of the optimizer. */
type EntryOf = (name: string, accessor?: 'get' | 'set') => PublicFunction;

/** One optimizer. Arguments come as users give them, unchecked. */
export class Engine {
  readonly runner: Runner;
  readonly #entryOf: EntryOf;
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;

  constructor(learningRate: unknown, options: unknown, entryOf: EntryOf) {
    const { device, hyperparameters } = checkOptions(options);
    this.#entryOf = entryOf;
    this.#state = new State(learningRate, hyperparameters);
    this.runner = new Runner(device, hyperparameters);
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
    this.#queue.call('initSingle', () => initSingle(parameter, state, this.#state));
  }

  applySingle(gradient: unknown, parameter: unknown, state: SingleState): object {
    return this.#queue.call('applySingle', () => applySingle(gradient, parameter, state, this.#state, this.runner));
  }

  applyGradients(gradients: unknown, parameters: unknown): unknown {
    return this.#queue.call('applyGradients', () => {
      const rate = this.#state.progress.rate();
      const { prepared, result } = this.#planner.planCopies(parameters, gradients);
      this.runner.stepOnce(prepared, rate);
      this.#state.progress.completed(rate);
      return result;
    });
  }

  /** Written without closures: a warm step takes about a microsecond. */
  update(parameters: unknown, gradients: unknown): void {
    this.#queue.begin('update');
    try {
      const rate = this.#state.progress.rate();
      const plan = this.#planner.plan(parameters, gradients);
      this.runner.step(plan, rate);
      this.#state.progress.completed(rate);
    } catch (error) {
      throw this.#queue.atCaller(error, 'update');
    } finally {
      this.#queue.end();
    }
  }

  updateAsync(parameters: unknown, gradients: unknown): Promise<void> {
    const { plan, rate } = this.#queue.callAsync('updateAsync', () => ({
      rate: this.#state.progress.rate(this.#queue.steps),
      plan: this.#planner.plan(parameters, gradients, true),
    }));
    const run = (): Promise<void> => this.runner.stepAsync(plan, rate);
    return this.#queue.step(plan, run, () => {
      this.#state.progress.completed(rate);
    });
  }

  between<T>(work: () => T): Promise<T> {
    this.#queue.callAsync('between', () => {
      if (typeof work !== 'function') throw typeError('invalid-option', 'between', 'a function', work);
    });
    const atCall = callerOf(this.#entryOf('between'));
    return this.#queue.between(() => {
      const result: unknown = work();
      if (!types.isPromise(result)) return result as T;
      result.catch(() => undefined);
      const expected = 'a function that returns no promise, since later steps would not wait for it';
      throw atCall(typeError('invalid-option', 'between', expected, result));
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
    this.#queue.call('step', () => this.#state.progress.restore(checkStep('step', value)));
  }

  setLearningRate(value: unknown): void {
    this.#queue.call('learningRate', () => this.#state.progress.assignRate(value));
  }

  setHyperparameter(name: HyperparameterName, value: unknown): void {
    const { usesVelocity, hyperparameters } = this.#state;
    this.#state.hyperparameters = calledFrom(this.#entryOf(name), () => {
      this.#queue.assertIdle(name);
      return withHyperparameter(hyperparameters, name, value);
    });
    // A plan that was made without velocities doesn't fit a momentum.
    if (this.#state.usesVelocity !== usesVelocity) this.#planner.drop();
    this.runner.configure(this.#state.hyperparameters);
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
