// Trains with the package that it is given, and compares with the reference values to the bit: parameters and velocities
// after every step, on and off the main thread; and saves and loads. Knows no runtime but by Node's modules.
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');

const ARRAYS = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array };

const encode = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString('base64');

/** The memory of `tensor` becomes what the text says. */
function decode(text, dtype, tensor) {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  tensor.data.set(new ARRAYS[dtype](bytes.buffer));
  return tensor;
}

async function trainCase({ SGD, zeros }, { name, dtype, size, options, learningRate, parameter, gradients, expected }) {
  const parameters = { layer: [decode(parameter, dtype, zeros(size, dtype))] };
  const gradient = { layer: [zeros(size, dtype)] };
  const optimizer = new SGD(learningRate[0], options);
  for (const [i, text] of gradients.entries()) {
    optimizer.learningRate = learningRate[i];
    decode(text, dtype, gradient.layer[0]);
    if (i % 2 === 0) optimizer.update(parameters, gradient);
    else await optimizer.updateAsync(parameters, gradient);
    const received = [encode(parameters.layer[0].data)];
    if (expected[i].v !== null) received.push(encode(optimizer.state.parameters.layer[0].v.data));
    const wanted = Object.values(expected[i]).filter((value) => value !== null);
    if (received.join() !== wanted.join()) throw new Error(`${name}, step ${i}: ${received}, expected ${wanted}`);
  }
  return gradients.length;
}

async function saveAndLoad({ SGD, zeros, zerosLike, saveTensors, loadTensors }) {
  const file = join(mkdtempSync(join(tmpdir(), 'metal-sgd-consumer-')), 'checkpoint.safetensors');
  const parameters = zeros({ weight: [2, 3] });
  const optimizer = new SGD(0.5, { momentum: 0.9 });
  parameters.weight.data.fill(-2);
  optimizer.update(parameters, { weight: new Float32Array(6).fill(3) });
  await optimizer.save(file, { parameters });
  const [again, copy] = [new SGD(0.5, { momentum: 0.9 }), zerosLike(parameters)];
  await again.load(file, { parameters: copy });
  const v = again.state.parameters.weight.v.data;
  if (again.step !== 1 || copy.weight.data.join() !== parameters.weight.data.join() || v[5] !== 3) {
    throw new Error('a checkpoint is not what was saved');
  }
  await saveTensors(file, parameters);
  const { tree } = await loadTensors(file);
  if (tree.weight.data.join() !== parameters.weight.data.join()) throw new Error('tensors are not what was saved');
  rmSync(dirname(file), { recursive: true });
}

/** Takes every step of the fixtures in `folder`; the number of steps. */
async function train(sgd, folder) {
  let steps = 0;
  for (const dtype of Object.keys(ARRAYS)) {
    const cases = JSON.parse(readFileSync(join(folder, `sgd-${dtype}.json`), 'utf8'));
    for (const one of cases) steps += await trainCase(sgd, one);
  }
  await saveAndLoad(sgd);
  return steps;
}

module.exports = { train };
