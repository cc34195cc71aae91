// Public types of an optimizer's state.
import type { Leaf } from '../tree/types';
import type { LossScaleState } from './lossScale';

/** What an optimizer keeps for one parameter. */
export interface LeafState {
  /** The velocity. float32 beside a master, else of the parameter's dtype. */
  v?: Leaf;
  /** The float32 master of a 16-bit parameter. */
  master?: Leaf;
  /** The moving average; float32, or float64 for a float64 parameter. */
  ema?: Leaf;
  /** The sum of accumulated gradients; likewise. */
  accumulated?: Leaf;
}

/** The tree of parameters with what is kept for each in its place; `{}` where there is nothing. */
export type StateTree = LeafState | StateTree[] | { [key: string]: StateTree };

/** A learning rate as a function of the number of completed steps. */
export type Schedule = (step: number) => number;

/** The state of an optimizer. */
export interface OptimizerState {
  /** Completed steps. */
  step: number;
  /** Learning rate of the last step, or of the first before that. */
  learningRate: number;
  /** Velocities, masters, averages and sums, in the structure of the parameters. */
  parameters: StateTree;
  /** Gradients in the sums. Missing without any. */
  accumulated?: number;
  /** Of a dynamic loss scale. Missing without one. */
  lossScale?: LossScaleState;
  /** Of the optimizer's groups: the learning rate of the last step. Missing without groups. */
  groups?: { learningRate: number }[];
}
