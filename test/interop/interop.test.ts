// Files of ours in real MLX and the reference safetensors, and theirs here.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTensors, saveTensors, SGD, type Tensor, toBytes, zeros, zerosLike } from '../../lib';
import { DTYPES } from '../../lib/tree/dtype';
import { bytesOf } from '../helpers/bits';
import { fixture } from '../helpers/fixtures';
import { temporaryFolders } from '../helpers/folders';
import { expectGolden, golden, goldenOptimizer, modelOf, takeSteps } from '../helpers/goldenModel';
import { mutants } from '../helpers/mutateFile';
import { fillRandom } from '../helpers/random';
import { ask } from './peer';

const newFolder = temporaryFolders();
const tree: unknown = JSON.parse(fixture('tree.json').toString('utf8'));
const base64 = (view: ArrayBufferView): string => Buffer.from(bytesOf(view)).toString('base64');

const bitsByPath = (tensors: Record<string, { data: Float32Array }>): Record<string, string> =>
  Object.fromEntries(Object.entries(tensors).map(([path, { data }]) => [path, base64(data)]));

describe('MLX', () => {
  test('continues from our checkpoint without renaming a tensor and ends like a run of its own', async () => {
    const path = join(newFolder(), 'half.safetensors');
    const optimizer = goldenOptimizer();
    const parameters = modelOf(golden.parameters);
    takeSteps(optimizer, parameters, 0, 3);
    await optimizer.save(path, { parameters });

    const resumed = ask('resume', path, tree, 3) as { parameters: object; state: Record<string, string>; step: number };
    const last = golden.steps[golden.steps.length - 1];
    expect(resumed.step).toBe(golden.steps.length);
    expect(resumed.parameters).toEqual(bitsByPath(last.parameters));
    for (const [name, v] of Object.entries(last.v))
      expect([name, resumed.state[`${name}.v`]]).toEqual([name, base64(v)]);
  });

  test('saves files from which we continue to the same bits', async () => {
    const folder = newFolder();
    ask('save', folder, tree, 2);
    const optimizer = goldenOptimizer();
    const loaded = await optimizer.load(join(folder, 'state.safetensors'));
    const { tree: parameters, metadata } = await loadTensors<Record<string, never>>(
      join(folder, 'parameters.safetensors'),
    );
    expect({ ...loaded.metadata, ...metadata }).toEqual({ by: 'mlx' });
    takeSteps(optimizer, parameters, 2);
    expectGolden(optimizer, parameters);
  });

  test('keeps no velocity of what is frozen, and its state loads strictly', async () => {
    const folder = newFolder();
    const trained = ask('frozen', folder, tree, 2) as Record<string, string>;
    const optimizer = goldenOptimizer();
    const parameters = modelOf(golden.parameters);
    optimizer.init(parameters);
    const { differences } = await optimizer.load(join(folder, 'state.safetensors'));
    expect(differences).toEqual([]);
    expect(optimizer.step).toBe(2);
    expect(Object.keys(golden.parameters).length).toBeGreaterThan(Object.keys(trained).length);
  });

  test('loads our parameters into a module in strict mode', async () => {
    const path = join(newFolder(), 'weights.safetensors');
    const { 'layers.0.weight': a, 'layers.0.bias': b, 'layers.1.weight': c, 'layers.1.bias': d } = golden.parameters;
    const model = { 'layers.0.weight': a, 'layers.0.bias': b, 'layers.1.weight': c, 'layers.1.bias': d };
    await saveTensors(path, modelOf(model));
    expect(ask('weights', path)).toEqual(bitsByPath(model));
  });

  test.each(['float32', 'float16', 'bfloat16'] as const)('reads our %s bit for bit', async (dtype) => {
    const path = join(newFolder(), 'tensors.safetensors');
    const tensors = zerosLike({ ...zeros({ a: [3, 5], none: [0, 2] }), one: zeros([]) }, dtype);
    fillRandom(dtype, tensors.a.data, 7, true);
    await saveTensors(path, tensors);
    const { a, none, one } = tensors;
    const expected = { a: base64(a.data), none: base64(none.data), one: base64(one.data) };
    expect(ask('load', path)).toEqual({ tensors: expected });
  });

  test('refuses our float64', async () => {
    const path = join(newFolder(), 'tensors.safetensors');
    await saveTensors(path, zeros({ a: [1] }, 'float64'));
    expect(ask('load', path)).toEqual({ error: expect.stringContaining('unsupported dtype F64') as string });
  });

  test('finds its step beside a parameter named step, and names in any script', async () => {
    const path = join(newFolder(), 'names.safetensors');
    const parameters = zeros({
      step: [1],
      learning_rate: [1],
      parameters: [1],
      layers: [{ 'a"b\\': [1] }, { 'ø 😀': [1] }],
    });
    const optimizer = new SGD(0.1, { momentum: 0.9 });
    optimizer.update(parameters, zeros({ step: [1], layers: [{ 'a"b\\': [1] }, { 'ø 😀': [1] }] }));
    optimizer.step = 41;
    await optimizer.save(path, { parameters });
    expect(ask('structure', path)).toEqual({
      top: ['layers', 'learning_rate', 'parameters', 'step', 'step_'],
      step: 41,
      layers: 'list',
    });
  });
});

describe('the reference safetensors', () => {
  test.each(DTYPES)('reads our %s bit for bit, with names and metadata', async (dtype) => {
    const path = join(newFolder(), 'tensors.safetensors');
    const tensors = { 'a.b': zeros([2, 3], dtype) as Tensor, __metadata__: zeros([], dtype) as Tensor };
    fillRandom(dtype, tensors['a.b'].data, 5, true);
    await saveTensors(path, tensors, { who: 'mé "x"' });
    const answer = ask('reference', path) as { tensors: object; metadata: Record<string, string> };
    const name = { float32: 'F32', float64: 'F64', float16: 'F16', bfloat16: 'BF16' }[dtype];
    expect(answer.tensors).toEqual({
      'a.b': [name, [2, 3], base64(tensors['a.b'].data)],
      __metadata___: [name, [], base64(tensors.__metadata__.data)],
    });
    expect(answer.metadata).toMatchObject({ format: 'mlx', 'metal-sgd.version': '1', who: 'mé "x"' });
  });

  test('accepts each of 2,000 mutated files that we accept', async () => {
    const folder = newFolder();
    mkdirSync(folder, { recursive: true });
    const original = toBytes({ a: zeros([2, 3]), 'b.c': zeros([1], 'bfloat16'), d: zeros([0]) }, { k: 'v' });
    const paths: string[] = [];
    const ours: boolean[] = [];
    for (const [i, bytes] of mutants(original, 1, 2000).entries()) {
      const path = join(folder, String(i));
      writeFileSync(path, bytes);
      paths.push(path);
      ours.push(
        await loadTensors(path, { strict: false }).then(
          () => true,
          () => false,
        ),
      );
    }
    const theirs = ask('accepts', paths) as boolean[];
    const takenHereAlone = paths.filter((_, i) => ours[i] && !theirs[i]);
    expect(takenHereAlone).toEqual([]);
    expect(ours.filter(Boolean).length).toBeGreaterThan(20);
    expect(theirs.filter((taken) => !taken).length).toBeGreaterThan(1000);
  });
});

test('every dtype that the reference and MLX write is read loosely', async () => {
  const files = Object.entries(ask('dtypes', newFolder()) as Record<string, string>);
  expect(files.length).toBeGreaterThan(30);
  for (const [dtype, path] of files) {
    const { tree: loaded } = await loadTensors<Record<string, Tensor>>(path, { strict: false });
    expect([dtype, loaded['known'].dtype, loaded['known'].data.length]).toEqual([dtype, 'float32', 8]);
    const into = { known: new Float32Array(8).fill(1) };
    await loadTensors(path, { into, strict: false });
    expect([dtype, into.known]).toEqual([dtype, new Float32Array(8)]);
  }
});
