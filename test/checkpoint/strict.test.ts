// A file of another tree: every difference is listed and nothing changes; without `strict`, what fits is taken.
import { clone, type Difference, fromBytes, SGD, type Tensor, toBytes, torchState, zeros } from '../../lib';
import { differencesOf, failureOf } from '../helpers/failures';
import { bytesOf, memoryOf } from '../helpers/memory';

type AnyTree = Record<string, Tensor>;

const ones = (tree: AnyTree): AnyTree => {
  for (const { data } of Object.values(tree)) data.fill(1);
  return tree;
};

/** A file with a velocity and a parameter for each. */
function fileOf(parameters: AnyTree): { file: Uint8Array; optimizer: SGD } {
  const optimizer = new SGD(0.25, { momentum: 0.5 });
  optimizer.update(parameters, clone(parameters));
  return { file: optimizer.toBytes({ parameters }), optimizer };
}

const own = (): AnyTree => ones({ a: zeros([2, 3]), b: zeros([4]), c: zeros([1]), d: zeros([5]) });
const others = (): AnyTree => ones({ a: zeros([3, 2]), b: zeros([4], 'bfloat16'), d: zeros([5]), e: zeros([1]) });

const EXPECTED: readonly Difference[] = ['state.parameters', 'parameters'].flatMap((root): Difference[] => {
  const v = root === 'parameters' ? '' : '.v';
  return [
    { path: `${root}.a${v}`, kind: 'shape', expected: '[2, 3]', received: '[3, 2]' },
    { path: `${root}.b${v}`, kind: 'dtype', expected: 'float32', received: 'bfloat16' },
    { path: `${root}.c${v}`, kind: 'missing' },
    { path: `${root}.e${v}`, kind: 'extra' },
  ];
});

test('a strict load lists every difference with its path and changes nothing', () => {
  const { file } = fileOf(others());
  const parameters = own();
  const { optimizer } = fileOf(parameters);
  const before = memoryOf(optimizer) + bytesOf(parameters);
  const failed = failureOf(() => optimizer.fromBytes(file, { parameters }));
  expect(failed).toEqual({
    name: 'RangeError',
    code: 'file-mismatch',
    message: [
      'bytes: expected the same tree, received one with differences:',
      ...EXPECTED.map(({ path, kind, expected, received }) =>
        expected === undefined ? `${path}: ${kind}` : `${path}: expected ${expected}, received ${String(received)}`,
      ),
    ].join('\n'),
  });
  expect(differencesOf(() => optimizer.fromBytes(file, { parameters }))).toEqual(EXPECTED);
  expect(memoryOf(optimizer) + bytesOf(parameters)).toBe(before);
});

test('a load with strict: false takes what fits and lists the rest', () => {
  const saved = others();
  saved['d'].data.set([1, 2, 3, 4, 5]);
  const { file, optimizer: source } = fileOf(saved);
  source.step = 9;
  const parameters = own();
  const { optimizer } = fileOf(parameters);
  const before = clone(parameters);
  const { differences } = optimizer.fromBytes(file, { parameters, strict: false });
  expect(differences).toEqual(EXPECTED);
  expect(parameters['d'].data).toEqual(saved['d'].data);
  for (const name of ['a', 'b', 'c']) expect(parameters[name].data).toEqual(before[name].data);
  const velocities = optimizer.state.parameters as unknown as Record<string, { v: Tensor }>;
  expect(velocities['d'].v.data).toEqual(Float32Array.of(1, 2, 3, 4, 5));
  expect(velocities['a'].v.data).toEqual(new Float32Array(6).fill(1));
  expect(optimizer.step).toBe(1);
});

test('a load with strict: false lists missing numbers, numbers of another dtype and unknown tensors', () => {
  const optimizer = new SGD(0.25);
  optimizer.step = 3;
  const file = toBytes({ step: Float32Array.of(1), 'x.v': Float32Array.of(1), y: Float32Array.of(1) });
  expect(optimizer.fromBytes(file, { strict: false }).differences).toEqual([
    { path: 'state.step', kind: 'dtype', expected: 'U64', received: 'F32' },
    { path: 'state.learningRate', kind: 'missing' },
    { path: 'y', kind: 'extra' },
  ]);
  expect([optimizer.step, optimizer.learningRate]).toEqual([3, 0.25]);
});

test('a bare array fits any shape of its length', () => {
  const file = toBytes({ a: zeros([2, 3]) });
  const into = { a: new Float32Array(6) };
  expect(fromBytes(file, { into }).differences).toEqual([]);
  expect(differencesOf(() => fromBytes(file, { into: { a: new Float32Array(5) } }))).toEqual([
    { path: 'into.a', kind: 'shape', expected: '5 elements', received: '6' },
  ]);
});

test('the order of tensors in the file does not matter', () => {
  const a = { x: Float32Array.of(1), y: Float64Array.of(2), z: Float32Array.of(3) };
  const into = { z: new Float32Array(1), y: new Float64Array(1), x: new Float32Array(1) };
  fromBytes(toBytes(a), { into });
  expect(into).toEqual(a);
});

test('a file need not have the velocities of what its program has not stepped', () => {
  const parameters = own();
  const { a, b, c } = parameters;
  const source = new SGD(1, { momentum: 0.5 });
  source.update(parameters, { a: clone(a), b: clone(b) });
  const file = source.toBytes({ parameters });
  const target = new SGD(1, { momentum: 0.5 });
  target.update({ a, b }, { a: clone(a) });
  expect(target.fromBytes(file, { parameters }).differences).toEqual([]);
  target.update({ c }, { c: clone(c) });
  expect(target.fromBytes(file, { parameters }).differences).toEqual([]);
});

test('load refuses parameters that share memory', () => {
  const data = new Float32Array(4);
  const into = { a: data.subarray(0, 3), b: data.subarray(2) };
  const file = toBytes({ a: new Float32Array(3), b: new Float32Array(2) });
  expect(failureOf(() => fromBytes(file, { into })).code).toBe('memory-overlap');
});

test('load refuses parameters that contradict the state, as a step does', () => {
  const { file, optimizer } = fileOf(own());
  expect(failureOf(() => optimizer.fromBytes(file, { parameters: { a: zeros([6]) } })).code).toBe('shape-mismatch');
});

test.each<[string, unknown, string]>([
  ['an unknown option', { strickt: true }, 'options: expected only parameters, strict, from, received "strickt"'],
  ['a number as strict', { strict: 1 }, 'strict: expected a boolean, received 1'],
  [
    'a string as from',
    { from: 'torch' },
    'from: expected what torchState() or nodeMlxState() returns, received "torch"',
  ],
  ['a number as options', 3, 'options: expected an object, received 3'],
])('load refuses %s', (_, options, message) => {
  const { file, optimizer } = fileOf(own());
  const failed = failureOf(() => optimizer.fromBytes(file, options as never));
  expect([failed.code, failed.message]).toEqual(['invalid-option', message]);
});

test.each<[unknown, string]>([
  [{ a: 1 }, 'metadata.a: expected a string, received 1'],
  [{ 'metal-sgd.version': '2' }, 'metadata.metal-sgd.version: expected a key that does not begin with metal-sgd., '],
  [{ a: '\udc00' }, 'metadata.a: expected Unicode, received '],
  ['x', 'metadata: expected an object of strings, received "x"'],
])('save refuses the metadata %j', (metadata, message) => {
  expect(failureOf(() => toBytes({}, metadata as never)).message).toContain(message);
});

test.each<[string, object, string]>([
  ['model.', {}, 'prefix: expected the path above some tensors, such as "model", "head", received "model."'],
  ['bert', {}, 'prefix: expected the path above some tensors, such as "model", "head", received "bert"'],
  ['', { into: {} }, 'prefix: expected the path above some tensors, such as "model", "head", received ""'],
])('a load of the prefix %j, which matches nothing, is refused', (prefix, options, message) => {
  const file = toBytes({ model: { w: zeros([2]) }, head: zeros([1]) });
  const missing = { path: prefix, kind: 'missing' };
  expect(failureOf(() => fromBytes(file, { ...options, prefix })).message).toContain(`bytes: ${message}:\n`);
  expect(differencesOf(() => fromBytes(file, { ...options, prefix }))).toEqual([missing]);
  const loaded = fromBytes(file, { ...options, prefix, strict: false });
  expect(loaded).toEqual({ tree: {}, differences: [missing], metadata: { format: 'mlx' } });
});

test('a load of a prefix takes the part of the tree as it was saved', () => {
  const model = { w: Float32Array.of(1), list: [], 'a.b': { '0': Float32Array.of(2) } };
  const file = toBytes({ model, none: {}, heads: [{ w: Float32Array.of(3) }] });
  expect(fromBytes(file, { prefix: 'model' }).tree).toEqual(model);
  expect(fromBytes(file, { prefix: 'model.a.b' }).tree).toEqual(model['a.b']);
  expect(fromBytes(file, { prefix: 'model.w' }).tree).toEqual(model.w);
  expect(fromBytes(file, { prefix: 'heads.0' }).tree).toEqual({ w: Float32Array.of(3) });
  expect(fromBytes(file, { prefix: 'none' })).toEqual({ tree: {}, differences: [], metadata: { format: 'mlx' } });
});

test('a state without a velocity below the prefix of PyTorch is refused', () => {
  const file = toBytes({ 'state.w.momentum_buffer': zeros([1]), param_groups: zeros([1]) });
  const wrong = torchState({ step: 1, prefix: 'optimizer' });
  expect(differencesOf(() => new SGD(1).fromBytes(file, { from: wrong }))).toEqual([
    { path: 'state.w.momentum_buffer', kind: 'extra' },
    { path: 'optimizer', kind: 'missing' },
  ]);
  const right = torchState({ step: 1, prefix: 'state' });
  expect(new SGD(1).fromBytes(file, { from: right }).differences).toEqual([]);
});

test('a strict load of a file of another model lists the first differences and counts the rest', () => {
  const model = (letter: string): AnyTree =>
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [letter.repeat(500) + String(i), zeros([1])]));
  const load = (): unknown => fromBytes(toBytes(model('a')), { into: model('b') });
  expect(differencesOf(load)).toHaveLength(2000);
  const lines = failureOf(load).message.split('\n');
  expect(lines).toHaveLength(22);
  expect(lines.at(-1)).toBe('... and 1980 more');
  expect(lines[1]).toBe(`into.${'b'.repeat(395)}...`);
});

test('a load without a tree says that `strict: false` loads the rest', () => {
  const file = toBytes({ w: { v: zeros([1]) }, x: zeros([1]) });
  expect(failureOf(() => new SGD(1).fromBytes(file)).message).toBe(
    'bytes: expected the state of an optimizer, received differences from one (`strict: false` loads what fits):\n' +
      'state.step: missing\nstate.learningRate: missing\nx: extra',
  );
});
