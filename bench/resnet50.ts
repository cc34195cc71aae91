// The 161 parameters of ResNet-50 (25,557,032 elements), by the rule that makes them. Convolutions have MLX's layout:
// outputs, height, width, inputs. Running means and variances are no parameters.

type Shape = readonly number[];

const STAGES = [
  { blocks: 3, width: 64 },
  { blocks: 4, width: 128 },
  { blocks: 6, width: 256 },
  { blocks: 3, width: 512 },
];
const EXPANSION = 4;

export function resnet50(): Shape[] {
  const shapes = convolution(64, 7, 3);
  let inputs = 64;
  for (const { blocks, width } of STAGES) {
    for (let block = 0; block < blocks; block++) {
      shapes.push(...bottleneck(inputs, width, block === 0));
      inputs = EXPANSION * width;
    }
  }
  return [...shapes, [1000, inputs], [1000]];
}

/** 1 x 1, 3 x 3, 1 x 1; the first of a stage also projects its input. */
function bottleneck(inputs: number, width: number, projects: boolean): Shape[] {
  const outputs = EXPANSION * width;
  return [
    ...convolution(width, 1, inputs),
    ...convolution(width, 3, width),
    ...convolution(outputs, 1, width),
    ...(projects ? convolution(outputs, 1, inputs) : []),
  ];
}

/** A convolution without bias and its batch normalisation. */
function convolution(outputs: number, side: number, inputs: number): Shape[] {
  return [[outputs, side, side, inputs], [outputs], [outputs]];
}
