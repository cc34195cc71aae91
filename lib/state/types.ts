// Public types of an optimizer's state.
import type { Leaf } from '../tree/types';

/** The tree of parameters with `{ v }` in place of each leaf that has a velocity, and `{}` in place of the others. */
export type StateTree = { v?: Leaf } | StateTree[] | { [key: string]: StateTree };

/** A learning rate as a function of the number of completed steps. */
export type Schedule = (step: number) => number;

/** The state of an optimizer. */
export interface OptimizerState {
  /** Completed steps. */
  step: number;
  /** Learning rate of the last step, or of the first before that. */
  learningRate: number;
  /** Velocities, in the structure of the parameters. */
  parameters: StateTree;
  /** Of the optimizer's groups: the learning rate of the last step. Missing without groups. */
  groups?: { learningRate: number }[];
}
