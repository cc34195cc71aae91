// What an optimizer does. The class `SGD` is its face: names, types and documentation.
import { types } from 'node:util';
import { calledFrom, callerOf, type PublicFunction } from '../caller';
import { checkLoad, type LoadedState, loadState, loadStateBytes } from '../checkpoint/load';
import { Save } from '../checkpoint/save';
import { typeError, Verbatim } from '../errors';
import type { Bytes } from '../safetensors/options';
import { checkStep } from '../state/progress';
import { State } from '../state/state';
import type { OptimizerState } from '../state/types';
import type { Averages } from '../tree/types';
import { Accumulator } from './accumulator';
import { Configuration } from './configuration';
import type { LastRun } from './device';
import { checkOptions, checkScale } from './options';
import { Planner } from './planner';
import { Queue } from './queue';
import { Runner } from './runner';
import { applySingle, initSingle, refuseSingle, type SingleState } from './single';

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
  readonly configuration: Configuration;
  readonly #entryOf: EntryOf;
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;
  readonly #accumulator: Accumulator;

  constructor(learningRate: unknown, options: unknown, entryOf: EntryOf) {
    const { device, ...checked } = checkOptions(options, learningRate);
    const { groups, hyperparameters, around } = checked;
    this.#entryOf = entryOf;
    const state = new State(learningRate, checked);
    const runner = new Runner(device, groups.all(hyperparameters), around);
    const queue = new Queue(entryOf);
    const planner = new Planner(state, runner);
    this.#state = state;
    this.runner = runner;
    this.#queue = queue;
    this.#planner = planner;
    this.#accumulator = new Accumulator(state, runner.flushesSubnormals);
    this.configuration = new Configuration({ state, queue, planner, runner });
  }

  get masterWeights(): boolean {
    return this.#state.masterWeights;
  }

  get progress(): State['progress'] {
    return this.#state.progress;
  }

  init(parameters: unknown): void {
    this.#queue.call('init', () => {
      this.#state.init(parameters);
    });
  }

  initSingle(parameter: unknown, state: SingleState): void {
    this.#queue.call('initSingle', () => {
      refuseSingle('initSingle', this.#state);
      initSingle(parameter, state, this.#state);
    });
  }

  applySingle(gradient: unknown, parameter: unknown, state: SingleState): object {
    return this.#queue.call('applySingle', () => {
      refuseSingle('applySingle', this.#state);
      return applySingle(gradient, parameter, state, this.#state, this.runner);
    });
  }

  applyGradients(gradients: unknown, parameters: unknown, options: unknown): unknown {
    return this.#queue.call('applyGradients', () => {
      const { progress, groups, accumulated } = this.#state;
      const scale = checkScale(options);
      const rate = progress.rate();
      const groupRates = groups.rates(progress.step, rate);
      const { prepared, gradientCount, result, settle } = this.#planner.planCopies(parameters, gradients);
      this.runner.setNumbers(rate, groupRates, accumulated.count + gradientCount, scale);
      this.runner.stepOnce(prepared);
      settle();
      accumulated.clear();
      this.#completed(rate, groupRates);
      return result;
    });
  }

  /** Written without closures: a warm step takes about a microsecond. */
  update(parameters: unknown, gradients: unknown, options: unknown): void {
    this.#queue.begin('update');
    try {
      const { progress, groups, accumulated } = this.#state;
      const scale = options === undefined ? 1 : checkScale(options);
      const rate = progress.rate();
      const groupRates = groups.rates(progress.step, rate);
      const plan = this.#planner.plan(parameters, gradients);
      this.runner.setNumbers(rate, groupRates, accumulated.count + plan.gradientCount, scale);
      this.runner.step(plan);
      if (accumulated.count > 0) accumulated.clear();
      this.#completed(rate, groupRates);
    } catch (error) {
      throw this.#queue.atCaller(error, 'update');
    } finally {
      this.#queue.end();
    }
  }

  updateAsync(parameters: unknown, gradients: unknown, options: unknown): Promise<LastRun> {
    const { plan, rate, groupRates, scale, taken } = this.#queue.callAsync('updateAsync', () => {
      const { progress, groups, accumulated } = this.#state;
      const scale = checkScale(options);
      const rate = progress.rate(this.#queue.steps);
      const groupRates = groups.rates(progress.step + this.#queue.steps, rate);
      const plan = this.#planner.plan(parameters, gradients, true);
      return { rate, groupRates, scale, plan, taken: accumulated.take() };
    });
    const run = (): Promise<LastRun> => {
      this.runner.setNumbers(rate, groupRates, taken.count + plan.gradientCount, scale);
      return this.runner.stepAsync(plan);
    };
    const completed = (): void => {
      this.#completed(rate, groupRates);
    };
    const failed = (): void => {
      if (taken.count > 0) this.#state.accumulated.giveBack(taken);
    };
    return this.#queue.step({ plan, run, completed, failed });
  }

  #completed(rate: number, groupRates: readonly number[]): void {
    this.#state.progress.completed(rate);
    this.#state.groups.completed(groupRates);
  }

  accumulate(gradients: unknown): void {
    this.#queue.call('accumulate', () => {
      this.#accumulator.add(gradients);
    });
  }

  discardAccumulated(): void {
    this.#queue.call('discardAccumulated', () => {
      this.#state.accumulated.clear();
    });
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

  /** What the optimizer is, for people. */
  get description(): object {
    const { hyperparameters, around, masterWeights, progress, slots } = this.#state;
    const { step, learningRate } = progress;
    const [leaves, { device }] = [slots.all.length, this.runner];
    const own = { ...hyperparameters, ...around, masterWeights };
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    return { step, learningRate, ...Object.fromEntries(given), device, leaves, pending: this.pending };
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

  getState(): OptimizerState {
    return calledFrom(this.#entryOf('state', 'get'), () => {
      this.#queue.assertStill('state');
      return this.#state.read();
    });
  }

  get averages(): Averages | undefined {
    return calledFrom(this.#entryOf('averages', 'get'), () => {
      this.#queue.assertStill('averages');
      return this.#state.averages;
    });
  }

  setState(value: unknown): void {
    this.#queue.call('state', () => {
      this.#state.assign(value);
      this.#drop();
    });
  }

  /** Ends plans: the state has been replaced. */
  #drop(): void {
    this.#planner.drop();
    this.#accumulator.drop();
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
    this.#drop();
    return this.#queue.exclusive(() => loadState(request) as Promise<LoadedState>);
  }

  fromBytes(bytes: Uint8Array, options: unknown): LoadedState {
    return this.#queue.call('fromBytes', () => {
      this.#drop();
      return loadStateBytes(bytes, checkLoad('bytes', options, this.#state));
    });
  }
}
