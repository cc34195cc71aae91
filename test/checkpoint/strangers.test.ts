// Files of other formats: the error says what the file is, and what to do.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fromBytes, loadTensors, SGD, toBytes } from '../../lib';
import { failureOf, rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

const text = (content: string): Buffer => Buffer.from(content);
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** The beginning of a zip archive whose first file has this name. */
const zip = (name: string): Buffer =>
  Buffer.concat([hex('504b0304 1400 0008 0000 0000 0000 00000000 00000000 00000000'), zipName(name), Buffer.alloc(99)]);

function zipName(name: string): Buffer {
  const sizes = Buffer.alloc(4);
  sizes.writeUInt16LE(name.length);
  return Buffer.concat([sizes, text(name)]);
}

const INDEX = { metadata: { total_size: 9 }, weight_map: { 'a.weight': 'model-00001-of-00002.safetensors' } };

const FILES: readonly [string, Buffer, string][] = [
  [
    'a Git LFS pointer',
    text(`version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 134\n`),
    'a Git LFS pointer, which stands for the file; fetch the file itself with `git lfs pull`',
  ],
  ['PyTorch’s zip', zip('archive/data.pkl'), 'a zip archive, as PyTorch saves; load it with torch.load and '],
  ['an npz archive', zip('arr_0.npy'), 'an npz archive of NumPy; load it with numpy.load and '],
  ['an npy file', Buffer.concat([hex('93'), text('NUMPY'), hex('0100 7600'), text('{}')]), 'an npy file of NumPy; '],
  [
    'a pickle of protocol 2',
    hex('80 02 8a 0a 6c fc 9c 46 f9 20 6a a8 50 19 2e'),
    'a Python pickle, as PyTorch saved; ',
  ],
  ['a pickle of protocol 4', hex('80 04 95 0b 00 00 00 00 00 00 00 7d 2e'), 'a Python pickle, as PyTorch saved; '],
  ['a GGUF file', Buffer.concat([text('GGUF'), hex('03000000'), Buffer.alloc(90)]), 'a GGUF file of llama.cpp; '],
  ['an HDF5 file', hex('89 48 44 46 0d 0a 1a 0a 00 00'), 'an HDF5 file, as Keras saves; '],
  ['a gzip file', gzipSync(Buffer.from(toBytes({ a: new Float32Array(9) }))), 'a gzip file; decompress it first'],
  ['a long gzip file', Buffer.concat([hex('1f8b0800 00000000 00 03'), Buffer.alloc(600_000, 1)]), 'a gzip file; '],
  [
    'the index of a model',
    text(JSON.stringify(INDEX, null, 2)),
    'the index of a model in parts; load the safetensors files that its weight_map names',
  ],
  ['a configuration', text('{"hidden_size": 8}'), 'a JSON text; load the safetensors file beside it'],
  ['an empty object', text('{}\n'), 'a JSON text; '],
  ['a page', text('\n<!DOCTYPE html>\n<title>Sign in</title>ø'), 'an HTML or XML text, perhaps the page of a failed d'],
  ['a page with a byte order mark', text('\ufeff<html><p>No.'), 'an HTML or XML text, '],
  ['the message of a download', text('Entry not found'), 'a text, perhaps the message of a failed download; '],
  ['a short message', text('No'), 'a text, perhaps the message of a failed download; '],
];

test.each(FILES)('a load says that the file is %s, and what to do', async (_, bytes, message) => {
  const path = join(newFolder(), 'model.safetensors');
  writeFileSync(path, bytes);
  const failures = [
    [failureOf(() => fromBytes(bytes)), 'bytes'],
    [failureOf(() => new SGD(1).fromBytes(bytes)), 'bytes'],
    [await rejectionOf(loadTensors(path)), path],
  ] as const;
  for (const [{ name, code, message: received }, file] of failures) {
    expect([name, code]).toEqual(['RangeError', 'invalid-file']);
    expect(received).toContain(`${file}: expected a safetensors file, received ${message}`);
  }
});

test.each([0x7b, 0x5b, 0x213c, 0x0280, 0x088b1f, 0x20])('a header of %p bytes is no other format', (length) => {
  const first = Buffer.alloc(8);
  first.writeUInt32LE(length);
  for (const rest of ['', '{', `{"a"${' '.repeat(length)}`]) {
    expect(failureOf(() => fromBytes(Buffer.concat([first, text(rest)]))).message).toMatch(/^bytes: byte \d+: /);
  }
});
