// All that a user sees.
export { CheckpointDirectory, type CheckpointDirectoryOptions } from './checkpointDirectory';
export {
  nodeMlxState,
  type SavedHyperparameters,
  type StateFormat,
  torchState,
  type TorchStateOptions,
} from './checkpointFormats';
export type { LoadedState, LoadOptions } from './checkpointLoad';
export type { Metadata } from './checkpointMetadata';
export type { SaveOptions, SavePath } from './checkpointSave';
export {
  fromBytes,
  type LoadedTensors,
  loadTensors,
  type LoadTensorsOptions,
  saveTensors,
  type TensorTree,
  toBytes,
} from './checkpointTensors';
export type { Difference } from './checkpointTrees';
export { devices, type Device, type LastRun } from './device';
export type { Dtype } from './dtype';
export { type ErrorCode, MetalError, type MetalErrorCode } from './errors';
export type { DeviceChoice, SGDOptions } from './hyperparameters';
export { clone, zeros, zerosLike } from './memory';
export { cosineDecay, exponentialDecay, joinSchedules, linearSchedule, stepDecay } from './schedules';
export { SGD } from './sgd';
export type {
  DataOf,
  DeepPartial,
  FileUrl,
  Float16ArrayLike,
  Gradients,
  Leaf,
  LeafLike,
  OptimizerState,
  PartialTree,
  Schedule,
  StateTree,
  Tensor,
  Tree,
  Zeros,
} from './types';
