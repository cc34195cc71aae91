// What an optimizer does. The class `SGD` is its face: names, types and documentation.
import { types } from 'node:util';
import { calledFrom, callerOf, type PublicFunction } from '../caller';
import { checkLoad, type LoadedState, loadState, loadStateBytes } from '../checkpoint/load';
import { Save } from '../checkpoint/save';
import { rangeError, typeError, Verbatim } from '../errors';
import type { Bytes } from '../safetensors/options';
import { checkStep } from '../state/progress';
import { State } from '../state/state';
import type { OptimizerState } from '../state/types';
import type { Averages } from '../tree/types';
import { Accumulator } from './accumulator';
import { Configuration } from './configuration';
import { checkOptions } from './options';
import { Planner } from './planner';
import { Queue } from './queue';
import { Runner } from './runner';
import { applySingle, initSingle, refuseSingle, type SingleState } from './single';
import { Steps } from './steps';
import { PARTS } from '../state/slot';
import { leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import { digestOf } from '../distributed/talk';
import { Together } from './together';
import type { World } from './world';

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
  readonly steps: Steps;
  readonly world: World | undefined;
  readonly #entryOf: EntryOf;
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;
  readonly #accumulator: Accumulator;
  readonly #together: Together | undefined;

  constructor(learningRate: unknown, options: unknown, entryOf: EntryOf) {
    const { device, world, ...checked } = checkOptions(options, learningRate);
    const { groups, hyperparameters, around } = checked;
    this.#entryOf = entryOf;
    const state = new State(learningRate, checked);
    const runner = new Runner(device, groups.all(hyperparameters), around, (world?.size ?? 1) > 1);
    const queue = new Queue(entryOf);
    const planner = new Planner(state, runner);
    this.#state = state;
    this.runner = runner;
    this.#queue = queue;
    this.#planner = planner;
    this.#accumulator = new Accumulator(state, runner.flushesSubnormals);
    const concerned = { state, queue, planner, runner };
    this.world = world;
    if (world && world.size > 1) this.#together = new Together(world, concerned, this.#accumulator);
    this.steps = new Steps(concerned, this.#together);
    this.configuration = new Configuration(concerned);
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

  get lossScale(): number | undefined {
    return this.#state.lossScale?.scale;
  }

  setLossScale(value: unknown): void {
    this.#queue.call('lossScale', () => {
      const { lossScale } = this.#state;
      if (!lossScale) throw rangeError('invalid-option', 'lossScale', 'an optimizer that was made with one', value);
      lossScale.assign(value);
    });
  }

  /** What the optimizer is, for people. */
  get description(): object {
    const { hyperparameters, around, masterWeights, lossScale, progress, slots } = this.#state;
    const { step, learningRate } = progress;
    const [leaves, { device }] = [slots.all.length, this.runner];
    const own = { ...hyperparameters, ...around, masterWeights, lossScale: lossScale?.scale };
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
    const write = (turn: Promise<unknown>): Promise<string> => save.write(turn);
    const together = this.#together;
    if (!together) return this.#queue.save({ write, isSnapshot, footprint });
    return together.write(() => this.#queue.save({ write, isSnapshot, footprint }));
  }

  toBytes(options: unknown): Bytes {
    return this.#queue.call('toBytes', () => new Save('bytes', options, this.#state).toBytes());
  }

  load(path: unknown, options: unknown): Promise<LoadedState> {
    const request = this.#queue.call('load', () => checkLoad(path, options, this.#state));
    this.#drop();
    const load = (): Promise<LoadedState> => this.#queue.exclusive(() => loadState(request) as Promise<LoadedState>);
    return this.#together ? this.#together.load(load, () => this.#digest(options)) : load();
  }

  /** Of all that a load writes. */
  #digest(options: unknown): string {
    const { parameters } = (options ?? {}) as { parameters?: unknown };
    const { progress, slots } = this.#state;
    const given = parameters === undefined ? [] : leavesOf(readTree(parameters, 'parameters', leafReader));
    const held = slots.all.flatMap((slot) => PARTS.flatMap((part) => slot.get(part) ?? []));
    return digestOf([String(progress.step), String(progress.learningRate)], [...held, ...given]);
  }

  fromBytes(bytes: Uint8Array, options: unknown): LoadedState {
    return this.#queue.call('fromBytes', () => {
      this.#drop();
      return loadStateBytes(bytes, checkLoad('bytes', options, this.#state));
    });
  }
}
