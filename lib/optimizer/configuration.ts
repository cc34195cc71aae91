// What can be assigned to an optimizer while it lives: hyperparameters, options and groups.
import { calledFrom, type PublicFunction } from '../caller';
import { AROUND_NAMES, type AroundName, checkAroundTogether, measures, withAround } from '../state/around';
import { checkFilter, type LeafFilter } from '../state/groups';
import { HYPERPARAMETER_NAMES, type HyperparameterName, withHyperparameter } from '../state/hyperparameters';
import type { State } from '../state/state';
import { type GroupOwner, groupOf, type SGDGroup } from './group';
import type { Planner } from './planner';
import type { Queue } from './queue';
import type { Runner } from './runner';

type OptionName = AroundName | HyperparameterName;

/** The options that are properties too. */
export const OPTION_NAMES: readonly OptionName[] = [...HYPERPARAMETER_NAMES, ...AROUND_NAMES];

const isAround = (name: OptionName): name is AroundName => (AROUND_NAMES as readonly string[]).includes(name);

/** The parts of an optimizer that steps and assignments concern. */
export interface Concerned {
  readonly state: State;
  readonly queue: Queue;
  readonly planner: Planner;
  readonly runner: Runner;
}

/** Changes one optimizer. Everything throws with code `busy` while work is pending; then nothing has changed. */
export class Configuration implements GroupOwner {
  readonly groups: readonly SGDGroup[];
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;
  readonly #runner: Runner;

  constructor({ state, queue, planner, runner }: Concerned) {
    this.#state = state;
    this.#queue = queue;
    this.#planner = planner;
    this.#runner = runner;
    this.groups = Object.freeze(Array.from({ length: state.groups.count }, (_, i) => groupOf(this, i)));
  }

  get(name: OptionName): unknown {
    return { ...this.#state.hyperparameters, ...this.#state.around }[name];
  }

  set(name: OptionName, value: unknown, entry: PublicFunction): void {
    this.#configure(name, entry, () => {
      if (isAround(name)) {
        const next = withAround(this.#state.around, name, value);
        checkAroundTogether(next, this.#state.lossScale !== undefined, name);
        this.#state.around = next;
        return;
      }
      const next = withHyperparameter(this.#state.hyperparameters, name, value);
      this.#state.groups.check(next);
      this.#state.hyperparameters = next;
    });
  }

  /** Changes by `change`, which throws before it has changed anything. */
  #configure(what: string, entry: PublicFunction, change: () => void): void {
    const before = this.#kept();
    calledFrom(entry, () => {
      this.#queue.assertIdle(what);
      change();
    });
    // A plan that was made without velocities doesn't fit a momentum, and so with averages and norms.
    if (this.#kept() !== before) this.#planner.drop();
    const { groups, hyperparameters, around } = this.#state;
    this.#runner.configure(groups.all(hyperparameters));
    this.#runner.configureAround(around);
  }

  /** What plans depend on. */
  #kept(): string {
    return JSON.stringify([this.#state.usesVelocity, this.#state.keeps, measures(this.#state.around)]);
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
}
