// A parameter group as users see it.
import { type PublicFunction, publicFunctionsOf } from '../caller';
import type { LeafFilter } from '../state/groups';
import { HYPERPARAMETER_NAMES, type HyperparameterName, type Hyperparameters } from '../state/hyperparameters';
import type { Schedule } from '../state/types';
import { defineProperties, refuseOtherProperties } from './strict';

/** The optimizer of a group, which knows groups by their number. */
export interface GroupOwner {
  groupFilter(i: number): LeafFilter;
  groupRate(i: number): number;
  setGroupRate(i: number, value: unknown, entry: PublicFunction): void;
  groupHyperparameters(i: number): Hyperparameters;
  setGroupHyperparameter(i: number, name: HyperparameterName, value: unknown, entry: PublicFunction): void;
}

/** A group of an optimizer. Reading gives the value that holds; `undefined` assigned follows the optimizer again. */
export interface SGDGroup {
  /** Picks the leaves of the group. */
  readonly parameters: LeafFilter;
  /** The learning rate of the last step, or of the first before that. */
  get learningRate(): number;
  set learningRate(value: number | Schedule | undefined);
  /** mu. */
  get momentum(): number;
  set momentum(value: number | undefined);
  /** wd. */
  get weightDecay(): number;
  set weightDecay(value: number | undefined);
  /** tau. */
  get dampening(): number;
  set dampening(value: number | undefined);
  /** True if steps look ahead along the velocity. */
  get nesterov(): boolean;
  set nesterov(value: boolean | undefined);
  /** True if steps climb. */
  get maximize(): boolean;
  set maximize(value: boolean | undefined);
}

/** Group `index` of an optimizer. */
export function groupOf(owner: GroupOwner, index: number): SGDGroup {
  return new Group(owner, index) as Group & SGDGroup;
}

class Group {
  readonly #owner: GroupOwner;
  readonly #index: number;

  constructor(owner: GroupOwner, index: number) {
    this.#owner = owner;
    this.#index = index;
  }

  get parameters(): LeafFilter {
    return this.#owner.groupFilter(this.#index);
  }

  get learningRate(): number {
    return this.#owner.groupRate(this.#index);
  }
  set learningRate(value: number | Schedule | undefined) {
    this.#owner.setGroupRate(this.#index, value, entryOf('learningRate'));
  }

  static {
    defineProperties(
      this.prototype,
      HYPERPARAMETER_NAMES,
      (group, name) => group.#owner.groupHyperparameters(group.#index)[name],
      (group, name, value) => {
        group.#owner.setGroupHyperparameter(group.#index, name, value, entryOf(name));
      },
    );
    refuseOtherProperties(this.prototype);
  }
}

const entryOf = publicFunctionsOf(Group.prototype);
