// Public types of what an optimizer remembers.
import type { Leaf } from '../tree/types';

/** The tree of states of a tree of parameters: `{ v }` in the place of each leaf that has a velocity, else `{}`. */
export type StateTree = { v?: Leaf } | StateTree[] | { [key: string]: StateTree };

/** A learning rate as a function of the number of completed steps. */
export type Schedule = (step: number) => number;

/** What an optimizer remembers. */
export interface OptimizerState {
  /** Completed steps. */
  step: number;
  /** Learning rate of the last step, or of the first before that. */
  learningRate: number;
  /** Velocities, in the structure of the parameters. */
  parameters: StateTree;
}
