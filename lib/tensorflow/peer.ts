// TensorFlow.js, which the user has installed: the package does not depend on it.
import type * as TensorFlow from '@tensorflow/tfjs-core';
import { coded } from '../errors';

const MAJOR = 4;

function load(): typeof TensorFlow {
  let found: typeof TensorFlow;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import that fails could not be explained
    found = require('@tensorflow/tfjs-core') as typeof TensorFlow;
  } catch (error) {
    const text = `metal-sgd/tensorflow: TensorFlow.js could not be loaded: npm install @tensorflow/tfjs-core@${String(MAJOR)}`;
    throw coded(Error, 'no-tensorflow', text, error);
  }
  const { version_core: version } = found;
  if (Number(version.split('.')[0]) === MAJOR) return found;
  const text = `metal-sgd/tensorflow: expected @tensorflow/tfjs-core ${String(MAJOR)}, received ${version}`;
  throw coded(Error, 'no-tensorflow', text);
}

export const tf = load();
