// What the GPU computes: the self-test of each dtype, the same steps as the CPU's, subnormals, and where memory starts.
import { answer, loadPackage } from './child.mjs';

const { SGD, addon, devices, zeros, zerosLike } = loadPackage();
const OPTIONS = { momentum: 0.9, nesterov: true, weightDecay: 1e-3 };

/** The first step of a dtype runs its self-test. */
function selfTest(dtype) {
  const parameters = [zeros([8], dtype)];
  const optimizer = new SGD(0.1, { ...OPTIONS, device: 'gpu' });
  try {
    optimizer.update(parameters, zerosLike(parameters));
    return { dtype, passed: true, copiedBytes: optimizer.lastRun.copiedBytes };
  } catch (error) {
    return { dtype, passed: false, message: `${error.code}: ${error.message}` };
  }
}

const bitsOf = ({ data }) => new Uint32Array(data.buffer, data.byteOffset, data.length);

/** Bits of parameters and velocities after ten steps from values of which none becomes subnormal. */
function tenSteps(device) {
  const parameters = [zeros(100_003)];
  const gradients = zerosLike(parameters);
  const optimizer = new SGD(0.1, { ...OPTIONS, device });
  for (let step = 0; step < 10; step++) {
    gradients[0].data.forEach((_, i) => (gradients[0].data[i] = (((i * 2654435761 + step) >>> 0) % 2001) / 1000 + 0.5));
    optimizer.update(parameters, gradients);
  }
  return [parameters[0], optimizer.state.parameters[0].v].map(bitsOf);
}

function differences() {
  const [onCpu, onGpu] = ['cpu', 'gpu'].map(tenSteps);
  return onCpu.reduce((sum, bits, i) => sum + bits.filter((word, at) => word !== onGpu[i][at]).length, 0);
}

/** What becomes of a subnormal parameter, and of a normal one whose step leaves a subnormal. */
function subnormals() {
  const parameters = [zeros(2)];
  const gradients = zerosLike(parameters);
  parameters[0].data.set([1e-40, 1.5 * 2 ** -126]);
  gradients[0].data.set([0, 2 ** -126]);
  new SGD(1, { device: 'gpu' }).update(parameters, gradients);
  const kept = parameters[0].data.filter((value) => value !== 0).length;
  return ['flushed to zero', 'kept in part', 'kept'][kept];
}

/** What becomes of a product that is just below 2^-126, and 2^-126 once rounded. */
function tinyProduct(device) {
  const parameters = [zeros(1)];
  const gradients = zerosLike(parameters);
  gradients[0].data[0] = 2 ** -126 * (1 + 2 ** -23);
  new SGD(1 - 2 ** -23, { device }).update(parameters, gradients);
  return parameters[0].data[0] === 0 ? 'flushed to zero' : 'kept';
}

/** Of 64 growable buffers, those that start on a page of 16 KiB. */
function onPages() {
  const buffers = Array.from({ length: 64 }, (_, i) => {
    const maxByteLength = 65536 * (i + 1);
    return new Uint8Array(new SharedArrayBuffer(maxByteLength, { maxByteLength }));
  });
  return addon()
    .addresses(buffers)
    .filter((address) => address % 16384 === 0).length;
}

/** Whether an error inside the addon becomes a JavaScript one. */
function throws() {
  try {
    addon().addresses('no list');
    return false;
  } catch {
    return true;
  }
}

function whyNoGpu() {
  try {
    new SGD(1, { device: 'gpu' });
    return undefined;
  } catch (error) {
    return error.message;
  }
}

const missing = whyNoGpu();
const found = { devices: devices(), whyNoGpu: missing, throws: throws(), onPages: onPages() };
if (missing !== undefined) {
  answer(found);
} else {
  const selfTests = ['float32', 'float16', 'bfloat16'].map(selfTest);
  const works = selfTests[0].passed;
  answer({
    ...found,
    selfTests,
    ...(works
      ? {
          differences: differences(),
          subnormals: subnormals(),
          tinyProducts: { gpu: tinyProduct('gpu'), cpu: tinyProduct('auto') },
        }
      : {}),
  });
}
