// Good files of other programs: dtypes, names and keys that mean nothing here are no reason to refuse the rest.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBytes, saveTensors, toBytes } from '../../lib';
import { layOut } from '../../lib/safetensors/header';
import { joinPieces } from '../../lib/safetensors/write';
import { type Outcome, ROOT, runNode } from '../helpers/child';
import { failureOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';
import { withHeader } from '../helpers/mutateFile';

const newFolder = temporaryFolders();

type AnyTree = Record<string, never>;

/** A file with so many bytes for each tensor. */
function file(tensors: Readonly<Record<string, object>>, bytes = 4): Uint8Array {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, entry]) => {
    const start = end;
    end += bytes;
    return [name, { dtype: 'F32', shape: [1], data_offsets: [start, end], ...entry }] as const;
  });
  return withHeader(
    JSON.stringify(Object.fromEntries(entries)),
    undefined,
    Buffer.alloc(end).map((_, i) => (i % 4 === 3 ? 63 : 0)),
  );
}

const ONE = { data: Float32Array.of(0.5), shape: [1], dtype: 'float32' };
const named = (names: readonly string[]): Uint8Array => file(Object.fromEntries(names.map((name) => [name, {}])));

test.each([
  ['F4', 8, 4],
  ['F6_E2M3', 16, 12],
  ['F6_E3M2', 16, 12],
  ['F8_E4M3', 4, 4],
  ['F8_E5M2', 4, 4],
  ['F8_E8M0', 4, 4],
  ['F8_E4M3FNUZ', 4, 4],
  ['F8_E5M2FNUZ', 4, 4],
  ['C64', 1, 8],
  ['BOOL', 4, 4],
  ['I16', 2, 4],
  ['F3_E1M1', 7, 4],
  ['toString', 1, 4],
])('a tensor of dtype %s is a difference, and the others load', (dtype, length, bytes) => {
  const mixed = file({ scale: { shape: [bytes / 4] }, weight: { dtype, shape: [length] } }, bytes);
  const { tree, differences } = fromBytes<AnyTree>(mixed, { strict: false });
  expect(Object.keys(tree)).toEqual(['scale']);
  expect(differences.map(({ path, kind, received }) => [path, kind, received])).toEqual([
    ['tree.weight', 'dtype', dtype],
  ]);
  expect(failureOf(() => fromBytes(mixed)).code).toBe('file-mismatch');
});

test('a tree with a note loads without the tensors that were converted to another dtype', () => {
  const saved = Buffer.from(toBytes({ a: Float32Array.of(1), list: [Float32Array.of(2), Float32Array.of(3)] }));
  for (const name of ['a', 'list.0']) {
    const at = saved.indexOf('F32', saved.indexOf(`"${name}":`));
    saved.write('I32', at);
  }
  expect(fromBytes(saved, { strict: false }).tree).toEqual({ list: [{}, Float32Array.of(3)] });
});

test.each<[string, string[], unknown]>([
  ['its scales', ['weight', 'weight.absmax'], { weight: ONE, 'weight.absmax': ONE }],
  ['its scales, which come first', ['weight.absmax', 'weight'], { weight: ONE, 'weight.absmax': ONE }],
  ['a branch', ['a.w', 'a.w.q.x', 'a.w.q.y'], { a: { w: ONE, 'w.q': { x: ONE, y: ONE } } }],
  ['a chain', ['a', 'a.b', 'a.b.c'], { a: ONE, 'a.b': ONE, 'a.b.c': ONE }],
  ['a list', ['a', 'a.0', 'a.1'], { a: ONE, 'a.0': ONE, 'a.1': ONE }],
])('a name that begins others loads beside %s', (_, names, tree) => {
  const bytes = named(names);
  const loaded = fromBytes<AnyTree>(bytes);
  expect(loaded.tree).toEqual(tree);
  expect(fromBytes(toBytes(loaded.tree)).tree).toEqual(tree);
  expect(fromBytes(bytes, { into: loaded.tree }).differences).toEqual([]);
});

test('numbers as names are keys where a list would be mostly holes', () => {
  const names = ['latents.7', 'latents.1000000', 'layers.0', 'layers.1', 'far.99999999999999999999'];
  const { tree } = fromBytes<AnyTree>(named(names));
  expect(tree).toEqual({
    latents: { '7': ONE, '1000000': ONE },
    layers: [ONE, ONE],
    far: { '99999999999999999999': ONE },
  });
  expect(fromBytes(toBytes(tree)).tree).toEqual(tree);
});

test('a list with some holes stays one', () => {
  expect(fromBytes(named(['layers.3.w'])).tree).toEqual({ layers: [{}, {}, {}, { w: ONE }] });
});

test('many lists with holes take no more memory than their file deserves', () => {
  const names = Array.from({ length: 3000 }, (_, i) => `a${String(i)}.4000`);
  const { tree } = fromBytes<Record<string, object>>(named(names));
  expect(tree['a7']).toEqual({ '4000': ONE });
});

test('a list of 200,000 tensors loads', () => {
  const items = Array.from({ length: 200_000 }, (_, i) => ({
    name: String(i),
    dtype: 'F32',
    shape: [0],
    parts: [],
  }));
  expect(fromBytes(joinPieces(layOut(items, {}))).tree).toHaveLength(200_000);
});

test.each([[[1]], [-1.5e-3], [{ a: { b: [[null, true, 'x', 2 ** 60]] } }]])(
  'the unknown key %j is passed over',
  (value) => {
    expect(fromBytes(file({ w: { strides: value, dtypes: value } })).tree).toEqual({ w: ONE });
  },
);

describe('a model in parts, as the documentation loads it', () => {
  const [, code] = /^### A model in parts[^]*?```js\n([^]*?)^```$/m.exec(
    readFileSync(join(ROOT, 'docs', 'checkpoints.md'), 'utf8'),
  ) as unknown as [string, string];

  async function load(parameters: string): Promise<Outcome<unknown>> {
    const folder = newFolder();
    await saveTensors(join(folder, 'one.safetensors'), { a: Float32Array.of(1), b: [Float32Array.of(2)] });
    await saveTensors(join(folder, 'two.safetensors'), { c: Float32Array.of(3, 4) });
    const index = join(folder, 'model.safetensors.index.json');
    const weight_map = { a: 'one.safetensors', 'b.0': 'one.safetensors', c: 'two.safetensors' };
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map }));
    const here = code.replace("'model/model.safetensors.index.json'", JSON.stringify(index));
    const program = `const parameters = ${parameters};\n${here}console.log(JSON.stringify(parameters));`;
    return runNode(['--input-type=module', '-e', program]);
  }

  test('fills the tree', async () => {
    const { stdout, stderr } = await load(
      '{ a: new Float32Array(1), b: [new Float32Array(1)], c: new Float32Array(2) }',
    );
    expect([stdout.trim(), stderr]).toEqual(['{"a":{"0":1},"b":[{"0":2}],"c":{"0":3,"1":4}}', '']);
  });

  test.each([
    ['{ a: new Float32Array(1), b: [], c: new Float32Array(2) }', 'one.safetensors: into.b.0: extra'],
    [
      '{ a: new Float32Array(1), b: [new Float32Array(1)], c: new Float32Array(2), d: new Float32Array(1) }',
      'in no part: into.d',
    ],
  ])('refuses %s', async (parameters, message) => {
    const { status, stderr } = await load(parameters);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`Error: ${message}`)]);
  });
});
