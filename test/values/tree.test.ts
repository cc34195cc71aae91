// A nested model over six steps of real MLX: gradients for a part of it, a learning rate set midway, step and all v.
import { type Leaf, SGD, type Tensor } from '../../lib';
import { copied, expectSameBits } from '../helpers/bits';
import { type ByPath, fixture, type GoldenTensor, goldenTree } from '../helpers/fixtures';
import { dataOf, type LeafKind, makeLeaf } from '../helpers/leaves';
import { unflatten, valueAt } from '../helpers/paths';

type AnyTree = Record<string, never>;

const golden = goldenTree();

/** The leaves as a nested tree of the kind, shapes kept where it has some. */
function treeOf(kind: LeafKind, tensors: ByPath<GoldenTensor>, shared: boolean): AnyTree {
  const leaves = Object.entries(tensors).map(([path, { shape, data }]): [string, Leaf] => {
    const leaf = makeLeaf(kind, 'float32', data, shared);
    return [path, ArrayBuffer.isView(leaf) ? leaf : { ...leaf, shape }];
  });
  return unflatten(Object.fromEntries(leaves)) as AnyTree;
}

function expectLeaves(tree: unknown, expected: ByPath<Float32Array>, inside: string, what: string): void {
  for (const [path, data] of Object.entries(expected)) {
    expectSameBits('float32', dataOf(valueAt(tree, path + inside) as Leaf), data, `${what} ${path}`);
  }
}

const dataByPath = (tensors: ByPath<GoldenTensor>): ByPath<Float32Array> =>
  Object.fromEntries(Object.entries(tensors).map(([path, { data }]) => [path, data]));

type Step = (optimizer: SGD, parameters: AnyTree, gradients: AnyTree) => AnyTree | Promise<AnyTree>;

const STEPS: Record<string, Step> = {
  update: (optimizer, parameters, gradients) => {
    optimizer.update(parameters, gradients);
    return parameters;
  },
  updateAsync: async (optimizer, parameters, gradients) => {
    await optimizer.updateAsync(parameters, gradients);
    return parameters;
  },
  applyGradients: (optimizer, parameters, gradients) => {
    return withUpdates(parameters, optimizer.applyGradients(gradients, parameters)) as AnyTree;
  },
};

/** `tree` with the leaves that `updates` has in the place of its own. */
function withUpdates(tree: unknown, updates: unknown): unknown {
  if (updates === undefined) return tree;
  if (ArrayBuffer.isView(tree) || typeof (tree as Tensor).dtype === 'string') return updates;
  const merged = Object.entries(tree as object).map(([key, value]) => [
    key,
    withUpdates(value, (updates as Record<string, unknown>)[key]),
  ]);
  return Array.isArray(tree) ? merged.map(([, value]) => value) : Object.fromEntries(merged);
}

describe.each(Object.keys(STEPS))('%s', (method) => {
  test.each<LeafKind>(['bare', 'tensor', 'arena'])('matches MLX at each step with leaves of kind %s', async (kind) => {
    const shared = method === 'updateAsync';
    const optimizer = new SGD(golden.learningRate, golden.options);
    let parameters = treeOf(kind, golden.parameters, shared);
    optimizer.init(parameters);
    for (const [i, expected] of golden.steps.entries()) {
      const before = golden.steps[i - 1]?.learningRate ?? expected.learningRate;
      if (expected.learningRate !== before) optimizer.learningRate = expected.learningRate;
      parameters = await STEPS[method](optimizer, parameters, treeOf(kind, expected.gradients, shared));

      expect(optimizer.step).toBe(expected.step);
      expect(Math.fround(optimizer.learningRate)).toBe(expected.learningRate);
      expectLeaves(parameters, dataByPath(expected.parameters), '', 'parameter');
      expectLeaves(optimizer.state.parameters, expected.v, '.v', 'v of');
    }
  });
});

/** The float32 tensors and other entries of a safetensors file. */
function readSafetensors(name: string): Map<string, Buffer> {
  const file = fixture(name);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { data_offsets: [number, number] } | null
  >;
  const entries = Object.entries(header).flatMap(([key, entry]): [string, Buffer][] => {
    if (!entry) return [];
    const [from, to] = entry.data_offsets;
    return [[key, file.subarray(start + from, start + to)]];
  });
  return new Map(entries);
}

test('an optimizer continues from MLX’s files of step 3 and ends like MLX', () => {
  const saved = readSafetensors('mlx-optimizer-state.safetensors');
  const floats = (bytes: Buffer): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);
  const at = (key: string): Buffer => saved.get(key) ?? Buffer.alloc(0);
  const velocities = [...saved].filter(([key]) => key.endsWith('.v'));
  const parameters = unflatten(
    Object.fromEntries([...readSafetensors('mlx-parameters.safetensors')].map(([key, bytes]) => [key, floats(bytes)])),
  ) as AnyTree;

  const optimizer = new SGD(golden.learningRate, golden.options);
  optimizer.state = {
    step: Number(at('step').readBigUInt64LE(0)),
    learningRate: at('learning_rate').readFloatLE(0),
    parameters: unflatten(Object.fromEntries(velocities.map(([key, bytes]) => [key, floats(bytes)]))) as never,
  };
  expect(optimizer.step).toBe(3);
  for (const { learningRate, gradients } of golden.steps.slice(3)) {
    optimizer.learningRate = learningRate;
    optimizer.update(parameters, treeOf('bare', gradients, false));
  }
  const last = golden.steps[golden.steps.length - 1];
  expectLeaves(parameters, dataByPath(last.parameters), '', 'parameter');
  expectLeaves(optimizer.state.parameters, last.v, '.v', 'v of');
});

test('applyGradients returns new parameters in the structure of the gradients', () => {
  const [, , third] = golden.steps;
  const optimizer = new SGD(golden.learningRate, golden.options);
  const parameters = treeOf('bare', golden.parameters, false);
  const before = copied(valueAt(parameters, 'scale') as Float32Array);
  const updated = optimizer.applyGradients(treeOf('bare', third.gradients, false), parameters);
  expect(Object.keys(updated)).toEqual(['layers', 'scale']);
  expect(Object.keys(valueAt(updated, 'layers.0') as object)).toEqual(['bias']);
  expectSameBits('float32', valueAt(parameters, 'scale') as Float32Array, before, 'scale');
});
