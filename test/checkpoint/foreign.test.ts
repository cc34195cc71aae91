// States of MLX, node-mlx and PyTorch: taken up, and gone on with to MLX's bits.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBytes, loadTensors, nodeMlxState, SGD, torchState, zeros } from '../../lib';
import { joinPieces } from '../../lib/safetensors/write';
import { layOut } from '../../lib/safetensors/header';
import { type ByPath, fixture } from '../helpers/fixtures';
import { failureOf, rangeFailure } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';
import { expectGolden, golden, goldenOptimizer, modelOf, takeSteps } from '../helpers/goldenModel';

const newFolder = temporaryFolders();
const FIXTURES = join(__dirname, '..', 'fixtures');

/** The state after step 3 as a program would save it that calls things so. */
function stateFile(rename: (path: string) => string, numbers: { step?: string; rate?: string }): Uint8Array {
  const { v, step, learningRate } = golden.steps[2];
  const items = Object.entries(v).map(([path, data]) => ({
    name: rename(path),
    dtype: 'F32',
    shape: golden.parameters[path].shape,
    parts: [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  }));
  const number = (name: string, dtype: string, data: ArrayBufferView) => ({
    name,
    dtype,
    shape: [],
    parts: [new Uint8Array(data.buffer)],
  });
  if (numbers.step) items.push({ ...number(numbers.step, 'U64', BigUint64Array.of(BigInt(step))), shape: [] });
  if (numbers.rate) items.push({ ...number(numbers.rate, 'F32', Float32Array.of(learningRate)), shape: [] });
  return joinPieces(layOut(items, {}));
}

async function goldenParameters(): Promise<Record<string, never>> {
  return (await loadTensors<Record<string, never>>(join(FIXTURES, 'mlx-parameters.safetensors'))).tree;
}

test('an optimizer, new or used, continues from MLX’s files to MLX’s last step', async () => {
  const path = join(FIXTURES, 'mlx-optimizer-state.safetensors');
  for (const knows of [false, true]) {
    const optimizer = goldenOptimizer();
    const parameters = knows ? modelOf(golden.parameters) : await goldenParameters();
    if (knows) {
      optimizer.init(parameters);
      const { tree } = await loadTensors(join(FIXTURES, 'mlx-parameters.safetensors'), { into: parameters });
      expect(tree).toBe(parameters);
    }
    const loaded = await optimizer.load(path);
    expect(loaded).toEqual({ differences: [], metadata: {}, hyperparameters: undefined });
    takeSteps(optimizer, parameters, 3);
    expectGolden(optimizer, parameters);
  }
});

test('an optimizer continues from node-mlx’s state, with its key for the learning rate', async () => {
  const path = join(newFolder(), 'node-mlx.safetensors');
  writeFileSync(
    path,
    stateFile((name) => `${name}.v`, { step: 'step', rate: 'learningRate' }),
  );
  const optimizer = goldenOptimizer();
  await optimizer.load(path, { from: nodeMlxState() });
  expect(optimizer.learningRate).toBe(golden.steps[2].learningRate);
  const parameters = await goldenParameters();
  takeSteps(optimizer, parameters, 3);
  expectGolden(optimizer, parameters);
});

test.each([undefined, 'state'])(
  'an optimizer continues from PyTorch’s momentum buffers, with the prefix %p',
  async (prefix) => {
    const name = (path: string): string => `${prefix === undefined ? '' : `${prefix}.`}${path}.momentum_buffer`;
    const optimizer = goldenOptimizer();
    const bytes = stateFile(name, { rate: 'param_groups.layers.0.weight.lr' });
    optimizer.fromBytes(bytes, { from: torchState({ step: 3, learningRate: 0.25, prefix }) });
    expect([optimizer.step, optimizer.learningRate]).toEqual([3, 0.25]);
    const parameters = await goldenParameters();
    takeSteps(optimizer, parameters, 3);
    expectGolden(optimizer, parameters);
  },
);

test('a velocity counts as missing beside one of another name', () => {
  const velocities: ByPath<Float32Array> = golden.steps[2].v;
  const bytes = stateFile((path) => (path === 'scale' ? 'other.v' : `${path}.v`), {
    step: 'step',
    rate: 'learning_rate',
  });
  const optimizer = goldenOptimizer();
  optimizer.init(modelOf(golden.parameters));
  expect(Object.keys(velocities)).toContain('scale');
  expect(failureOf(() => optimizer.fromBytes(bytes))).toEqual(
    rangeFailure(
      'file-mismatch',
      'bytes: expected the same tree, received one with differences:\n' +
        'state.parameters.scale.v: missing\nstate.parameters.other.v: extra',
    ),
  );
});

test.each([
  [() => torchState({ step: 1.5 }), 'step: expected a whole number from 0, received 1.5'],
  [() => torchState({ step: 1, lr: 3 } as never), 'options: expected only step, learningRate, prefix, received "lr"'],
  [
    () =>
      new SGD(1).fromBytes(fixture('mlx-optimizer-state.safetensors'), { from: nodeMlxState(), parameters: zeros(1) }),
    'parameters: expected none beside `from`: load them by loadTensors, received an object',
  ],
])('torchState, nodeMlxState and load refuse wrong options, case %#', (call, message) => {
  expect(failureOf(call)).toEqual(rangeFailure('invalid-option', message));
});

test('load lists tensors of dtypes that no leaf can have', () => {
  const bytes = layOut([{ name: 'ids', dtype: 'I64', shape: [1], parts: [new Uint8Array(8)] }], {});
  expect(failureOf(() => fromBytes(joinPieces(bytes))).message).toBe(
    'bytes: expected tensors that leaves can hold, received others (`strict: false` loads the rest):\n' +
      'tree.ids: expected float32, float64, float16, bfloat16, received I64',
  );
});
