// What is saved comes back as it was: any tree, any name, any kind of leaf, into new arrays and into those that are there.
import { join } from 'node:path';
import fc from 'fast-check';
import { type Leaf, fromBytes, loadTensors, saveTensors, SGD, toBytes, zeros, zerosLike } from '../../lib';
import { specTrees } from '../helpers/arbitraries';
import { failureOf, rangeFailure } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';
import { dataOf } from '../helpers/leaves';
import { at, makeTree, specsOf } from '../helpers/specTree';

type AnyTree = Record<string, never>;

const newFolder = temporaryFolders();

/** The tree with each leaf as text: kind, dtype, shape and bits. */
function textOf(tree: unknown): unknown {
  if (ArrayBuffer.isView(tree)) return `${tree.constructor.name} ${Buffer.from(bytes(tree)).toString('hex')}`;
  if (typeof tree !== 'object' || tree === null) return tree;
  const { data, shape, dtype } = tree as { data?: unknown; shape?: unknown; dtype?: unknown };
  if (ArrayBuffer.isView(data))
    return `${String(dtype)} [${String(shape)}] ${Buffer.from(bytes(data)).toString('hex')}`;
  if (Array.isArray(tree)) return tree.map(textOf);
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, textOf(value)]));
}

const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

test('random trees come back equal', async () => {
  const path = join(newFolder(), 'tree.safetensors');
  const property = async (specs: never, memory: 'views' | 'arena', shared: boolean): Promise<void> => {
    const { tree } = makeTree(specs, memory, shared, true);
    await saveTensors(path, tree as AnyTree, { drawn: 'yes' });
    const loaded = await loadTensors(path);
    expect(textOf(loaded.tree)).toEqual(textOf(tree));
    expect(loaded.metadata).toEqual({ format: 'mlx', drawn: 'yes' });
    expect(textOf(fromBytes(toBytes(tree as AnyTree)).tree)).toEqual(textOf(tree));

    const into = makeTree(specs, memory, shared, false);
    for (const { spec, keys } of specsOf(specs)) dataOf(at(into.tree, keys) as Leaf).fill(spec.seed % 7);
    const filled = await loadTensors(path, { into: into.tree as AnyTree });
    expect(filled.tree).toBe(into.tree);
    expect(textOf(into.tree)).toEqual(textOf(tree));
    into.expectNeighboursUntouched();
  };
  const memory = fc.constantFrom('views' as const, 'arena' as const);
  await fc.assert(fc.asyncProperty(specTrees as fc.Arbitrary<never>, memory, fc.boolean(), property), { numRuns: 80 });
});

const keys = fc.oneof(
  fc.constantFrom('step', 'step_', 'learning_rate', 'parameters', 'v', '__metadata__', '__metadata___', 'a.b', '.', ''),
  fc.constantFrom(
    '0',
    '1',
    '01',
    '"',
    '\\',
    '\u0000',
    '\n',
    'constructor',
    'toString',
    'ø',
    '😀',
    'step.v',
    'parameters.a',
  ),
  fc.string({ unit: 'binary' }).filter((key) => key !== '__proto__'),
);

const awkwardTrees = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom('leaf', 'bare'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(keys, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).tree;

function leavesFor(tree: unknown, seed: { next: number }): unknown {
  if (tree === 'bare') return Float32Array.of(seed.next++);
  if (tree === 'leaf') return { data: Float32Array.of(seed.next++, 0), shape: [1, 2], dtype: 'float32' };
  if (Array.isArray(tree)) return tree.map((child) => leavesFor(child, seed));
  return Object.fromEntries(Object.entries(tree as object).map(([key, child]) => [key, leavesFor(child, seed)]));
}

/** Leaves of equal paths are refused in memory already. */
function isTree(tree: AnyTree): boolean {
  try {
    toBytes(tree);
    return true;
  } catch (error) {
    expect((error as { code: string }).code).toBe('invalid-tree');
    return false;
  }
}

test('names with dots, quotes or reserved words come back', () => {
  const property = (shape: unknown): void => {
    const tree = leavesFor(shape, { next: 1 }) as AnyTree;
    fc.pre(isTree(tree));
    expect(textOf(fromBytes(toBytes(tree)).tree)).toEqual(textOf(tree));

    const optimizer = new SGD(0.5, { momentum: 0.5 });
    optimizer.init(tree);
    optimizer.step = 7;
    const file = optimizer.toBytes({ parameters: tree });
    const [fresh, known] = [new SGD(0.1), new SGD(0.1)];
    fresh.fromBytes(file);
    expect(textOf(fresh.state)).toEqual(textOf(optimizer.state));
    const parameters = zerosLike(tree);
    known.fromBytes(file, { parameters });
    expect(textOf(parameters)).toEqual(textOf(tree));
    expect(textOf(known.state.parameters)).toEqual(textOf(optimizer.state.parameters));
    expect(textOf(fromBytes(file, { prefix: 'parameters' }).tree)).toEqual(textOf(tree));
  };
  fc.assert(fc.property(awkwardTrees, property), { numRuns: 300 });
});

test('a file has MLX’s names, with a _ appended to reserved ones', () => {
  const parameters = zeros({ step: [1], step_: [1], layers: [{ weight: [1] }], parameters: { a: [1] }, 'b.c': [1] });
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  optimizer.init(parameters);
  const file = Buffer.from(optimizer.toBytes({ parameters }));
  const header = JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE()))) as object;
  expect(Object.keys(header)).toEqual([
    '__metadata__',
    'step',
    'learning_rate',
    'step_.v',
    'step__.v',
    'layers.0.weight.v',
    'parameters_.a.v',
    'b.c.v',
    'parameters.step',
    'parameters.step_',
    'parameters.layers.0.weight',
    'parameters.parameters.a',
    'parameters.b.c',
  ]);
});

test('velocities and parameters never share a name', () => {
  const parameters = { parameters: { a: Float32Array.of(1) }, a: { v: Float32Array.of(2) } };
  const optimizer = new SGD(1, { momentum: 0.5 });
  optimizer.update(parameters, { parameters: { a: Float32Array.of(10) }, a: { v: Float32Array.of(20) } });
  const file = optimizer.toBytes({ parameters });
  const resumed = new SGD(1, { momentum: 0.5 });
  const into = zerosLike(parameters);
  resumed.fromBytes(file, { parameters: into });
  expect([into.parameters.a[0], into.a.v[0]]).toEqual([-9, -18]);
  expect(textOf(resumed.state)).toEqual(textOf(optimizer.state));
});

test('a parameter that never stepped has no velocity after a load either', () => {
  const parameters = { list: [zeros([1]), zeros([2])], late: zeros([3]) };
  const optimizer = new SGD(1, { momentum: 0.5 });
  optimizer.update(parameters, { list: [zeros([1])] });
  const file = optimizer.toBytes({ parameters });
  const fresh = new SGD(1, { momentum: 0.5 });
  fresh.fromBytes(file);
  expect(textOf(fresh.state)).toEqual(textOf(optimizer.state));
  fresh.update(parameters, { list: [zeros([1]), zeros([2])], late: zeros([3]) });
  expect(fresh.step).toBe(2);
});

test.each([-0, 0.1, 1e-46, 1e-40, 3e38])('the learning rate %p comes back exactly', (rate) => {
  const options = { momentum: 0.1, weightDecay: -0, dampening: 1 / 3 };
  const optimizer = new SGD(rate, options);
  const resumed = new SGD(5);
  expect(resumed.fromBytes(optimizer.toBytes()).hyperparameters).toEqual({
    ...options,
    nesterov: false,
    maximize: false,
  });
  expect(resumed.learningRate).toBe(rate);
  expect(resumed.momentum).toBe(0);
});

test('a schedule stays and continues at the loaded step', () => {
  const optimizer = new SGD(1);
  optimizer.step = 10;
  const resumed = new SGD((step) => step / 100);
  resumed.fromBytes(optimizer.toBytes());
  resumed.update(zeros([1]), zeros([1]));
  expect([resumed.step, resumed.learningRate]).toEqual([11, 0.1]);
});

test('save refuses a name with half of a surrogate pair', () => {
  const message = 'a key: expected Unicode, since it is to be saved, received "\\ud800"';
  expect(failureOf(() => toBytes({ '\ud800': [zeros([1])] }))).toEqual(rangeFailure('invalid-tree', message));
});

test('tied leaves are refused by saves as by loads and steps, with both names', () => {
  const shared = new Float32Array(4);
  const tied = { wte: shared, layers: [{ head: shared.subarray(1, 3) }] };
  const names = (root: string): string => `${root}.wte and ${root}.layers.0.head overlap in memory; each needs its own`;
  const optimizer = new SGD(1);
  const calls: [string, () => unknown][] = [
    ['tree', () => toBytes(tied)],
    ['parameters', () => optimizer.toBytes({ parameters: tied })],
    [
      'parameters',
      () => {
        optimizer.update(tied, { wte: new Float32Array(4) });
      },
    ],
    [
      'into',
      () => fromBytes(toBytes({ wte: new Float32Array(4), layers: [{ head: new Float32Array(2) }] }), { into: tied }),
    ],
  ];
  for (const [root, call] of calls) expect(failureOf(call)).toEqual(rangeFailure('memory-overlap', names(root)));
});
