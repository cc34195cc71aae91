// A parameter group as users see it.
import { publicFunctionsOf } from '../caller';
import type { LeafFilter } from '../state/groups';
import { HYPERPARAMETER_NAMES } from '../state/hyperparameters';
import type { Schedule } from '../state/types';
import type { Engine } from './engine';
import { refuseOtherProperties } from './strict';

/** A group of an optimizer. Reading gives the value that holds; `undefined` assigned follows the optimizer again. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the static block defines what it declares
export class SGDGroup {
  readonly #engine: Engine;
  readonly #index: number;

  /** @internal */
  constructor(engine: Engine, index: number) {
    this.#engine = engine;
    this.#index = index;
  }

  /** Picks the leaves of the group. */
  get parameters(): LeafFilter {
    return this.#engine.groupFilter(this.#index);
  }

  /** The learning rate of the last step, or of the first before that. */
  get learningRate(): number {
    return this.#engine.groupRate(this.#index);
  }
  set learningRate(value: number | Schedule | undefined) {
    this.#engine.setGroupRate(this.#index, value, entryOf('learningRate'));
  }

  static {
    for (const name of HYPERPARAMETER_NAMES) {
      Object.defineProperty(this.prototype, name, {
        configurable: true,
        get(this: SGDGroup) {
          return this.#engine.groupHyperparameters(this.#index)[name];
        },
        set(this: SGDGroup, value: unknown) {
          this.#engine.setGroupHyperparameter(this.#index, name, value, entryOf(name));
        },
      });
    }
    refuseOtherProperties(this.prototype);
  }
}

/** What TypeScript sees of the accessors: `undefined` can be assigned, and is never read. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- as above
export interface SGDGroup {
  get momentum(): number;
  set momentum(value: number | undefined);
  get weightDecay(): number;
  set weightDecay(value: number | undefined);
  get dampening(): number;
  set dampening(value: number | undefined);
  get nesterov(): boolean;
  set nesterov(value: boolean | undefined);
}

const entryOf = publicFunctionsOf(SGDGroup.prototype);
