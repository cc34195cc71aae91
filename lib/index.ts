// All that a user sees.
export { CheckpointDirectory, type CheckpointDirectoryOptions } from './optimizer/directory';
export { nodeMlxState, type StateFormat, torchState, type TorchStateOptions } from './checkpoint/formats';
export type { LoadedState, LoadOptions } from './checkpoint/load';
export type { Metadata } from './safetensors/metadata';
export type { Bytes } from './safetensors/options';
export type { SaveOptions, SavePath } from './checkpoint/save';
export {
  fromBytes,
  type LoadedTensors,
  loadTensors,
  type LoadTensorsOptions,
  saveTensors,
  type TensorTree,
  toBytes,
} from './safetensors/tensors';
export {
  devices,
  type CpuDevice,
  type Device,
  type GpuDevice,
  type DeviceChoice,
  type LastRun,
} from './optimizer/device';
export type { Dtype } from './tree/dtype';
export { type ErrorCode, MetalError, type MetalErrorCode } from './errors';
export type { SGDGroup } from './optimizer/group';
export type { SGDGroupOptions, SGDOptions, StepOptions } from './optimizer/options';
export type { Difference } from './tree/compare';
export { assign } from './memory/assign';
export { clone, zeros, zerosLike } from './memory/zeros';
export { cosineDecay, exponentialDecay, joinSchedules, linearSchedule, stepDecay } from './state/schedules';
export { type AllGradients, type GradientMean, meanOf, type SomeGradients } from './gradients/mean';
export { globalNorm } from './optimizer/norm';
export type { SGDReadings } from './optimizer/readings';
export { joinWorld, type World, type WorldOptions } from './optimizer/world';
export { SGD } from './optimizer/sgd';
export type { SGDAround } from './state/around';
export type { DynamicLossScale, LossScaleState } from './state/lossScale';
export type { NonFinite } from './addon/names';
export type { LeafFilter } from './state/groups';
export type { SGDHyperparameters } from './state/hyperparameters';
export type { LeafState, OptimizerState, Schedule, StateTree } from './state/types';
export type {
  Assignable,
  Averages,
  AverageTree,
  DataOf,
  DeepPartial,
  FileUrl,
  Float16ArrayLike,
  GradientLike,
  Gradients,
  GradientsFor,
  Leaf,
  LeafLike,
  NotALeaf,
  Numbers,
  PartialTree,
  Synchronous,
  Tensor,
  Tree,
  WithDtype,
  Zeros,
} from './tree/types';
