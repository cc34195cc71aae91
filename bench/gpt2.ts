// The 148 parameters of GPT-2 small (124,439,808 elements), by the rule that makes them. The output layer shares the
// token embedding.

type Shape = readonly number[];

const VOCABULARY = 50257;
const CONTEXT = 1024;
const WIDTH = 768;
const LAYERS = 12;

export function gpt2(): Shape[] {
  const blocks = Array.from({ length: LAYERS }, block).flat();
  return [[VOCABULARY, WIDTH], [CONTEXT, WIDTH], ...blocks, ...normalisation()];
}

/** Attention (queries, keys and values in one) and a perceptron of four times the width, each after a normalisation. */
function block(): Shape[] {
  return [
    ...normalisation(),
    ...linear(3 * WIDTH, WIDTH),
    ...linear(WIDTH, WIDTH),
    ...normalisation(),
    ...linear(4 * WIDTH, WIDTH),
    ...linear(WIDTH, 4 * WIDTH),
  ];
}

const linear = (outputs: number, inputs: number): Shape[] => [[outputs, inputs], [outputs]];

const normalisation = (): Shape[] => [[WIDTH], [WIDTH]];
