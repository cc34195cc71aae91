// The values of test/fixtures for plain JavaScript: what runs here needs neither Jest nor a compiler.
/* global __dirname */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const FILES = ['sgd-float32', 'sgd-float64', 'sgd-float16', 'sgd-bfloat16', 'special-float32'];

/** The typed array that keeps a dtype's elements, 16-bit ones as words. */
const ARRAYS = { float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array };

const isNan = {
  float32: Number.isNaN,
  float64: Number.isNaN,
  float16: (bits) => (bits & 0x7fff) > 0x7c00,
  bfloat16: (bits) => (bits & 0x7fff) > 0x7f80,
};

const parse = (name) => JSON.parse(readFileSync(join(__dirname, '..', 'fixtures', `${name}.json`), 'utf8'));

function decode(dtype, base64) {
  return base64 === null ? undefined : new ARRAYS[dtype](Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

/** Every case of one leaf: its start, and for each step the learning rate, the gradient and what must come out. */
function goldenCases() {
  return FILES.flatMap(parse).map(({ name, dtype, options, learningRate, parameter, gradients, expected }) => ({
    name,
    dtype,
    options,
    parameter: decode(dtype, parameter),
    steps: gradients.map((gradient, i) => ({
      learningRate: learningRate[i],
      gradient: decode(dtype, gradient),
      parameter: decode(dtype, expected[i].parameter),
      v: decode(dtype, expected[i].v),
    })),
  }));
}

/** Six steps of a nested model: float32 leaves by their dotted paths. */
function goldenTree() {
  const { options, learningRate, parameters, steps } = parse('tree');
  const leaves = (raw) =>
    Object.fromEntries(Object.entries(raw).map(([path, leaf]) => [path, decode('float32', leaf.data ?? leaf)]));
  return {
    options,
    learningRate,
    parameters: leaves(parameters),
    steps: steps.map((step) => ({
      ...step,
      gradients: leaves(step.gradients),
      parameters: leaves(step.parameters),
      v: leaves(step.v),
    })),
  };
}

/** Elements `begin` to `begin + length` of an endless repetition: elements don't see each other, so any part will do. */
function repeated(array, begin, length) {
  return array.constructor.from({ length }, (_, i) => array[(begin + i) % array.length]);
}

/** Throws unless the two hold the same bits, any NaN being equal to any NaN. */
function expectSameBits(dtype, actual, expected, what) {
  const differs = (x, i) => !Object.is(x, expected[i]) && !(isNan[dtype](x) && isNan[dtype](expected[i]));
  const i = actual.length === expected.length ? actual.findIndex(differs) : 0;
  if (i < 0) return;
  const show = (array) => `${array[i]} of ${array.length} elements`;
  throw new Error(`${what}[${i}] (${dtype}): expected ${show(expected)}, received ${show(actual)}`);
}

module.exports = { ARRAYS, goldenCases, goldenTree, repeated, expectSameBits };
