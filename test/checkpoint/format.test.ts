// Files that are wrong: each kind of wrongness, with the file, the tensor and the byte in the message.
import { fromBytes, SGD } from '../../lib';
import { failureOf } from '../helpers/failures';
import { fixture } from '../helpers/fixtures';

/** A file of this header and so many bytes of data. */
function file(header: string, dataBytes = 0, headerBytes?: number): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(headerBytes ?? text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const tensor = (name: string, shape: string, offsets: string, dtype = 'F32'): string =>
  `"${name}":{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;

const A = tensor('a', '1', '0,4');

test.each<[string, Uint8Array, string]>([
  ['nothing', new Uint8Array(0), 'byte 0: expected the 8 bytes of the header length, received a file of 0 bytes'],
  ['7 bytes', new Uint8Array(7), 'byte 0: expected the 8 bytes of the header length, received a file of 7 bytes'],
  ['a header beyond the end', file('{}', 0, 3), 'byte 0: expected a header of at most 2 bytes, received one of 3'],
  [
    'a header of 2^64 - 1 bytes',
    Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from('{}')]),
    'byte 0: expected a header of at most 2 bytes, received one of 18446744073709551615',
  ],
  ['no header', file(''), 'byte 8: expected a JSON value, numbers whole and from 0, received the end of the text'],
  [
    'bytes that are no text',
    file('{"\xff"}').map((byte) => (byte === 0xc3 ? 0xff : byte)),
    'byte 8: expected a header in UTF-8, received other bytes',
  ],
  ['an array', file('[]'), 'byte 8: expected a JSON object, received "[]"'],
  ['space before it', file(' {}'), 'byte 8: expected a JSON object, received " {}"'],
  ['text behind it', file('{}x'), 'byte 10: expected the end of the JSON text, received "x"'],
  ['depth', file('{"a":{"shape":[[1]]}}'), 'byte 23: expected at most 3 levels, received "[1]]}}"'],
  ['much depth', file('['.repeat(100_000)), 'byte 11: expected at most 3 levels, received "[[[[[[[[[[[[[[[[[[[["'],
  ['a name twice', file(`{${A},${A}}`, 4), 'byte 62: expected each name once, received "a" again'],
  [
    'a key twice',
    file('{"a":{"dtype":"F32","dtype":"F32"}}'),
    'byte 28: expected each name once, received "dtype" again',
  ],
  ['half a pair', file('{"\\ud800":1}'), 'byte 9: expected Unicode, received half of a surrogate pair'],
  [
    'a byte after letters',
    file('{"ø😀":x}'),
    'byte 18: expected a JSON value, numbers whole and from 0, received "x}"',
  ],
  ['a raw line end in a name', file('{"\n":1}'), 'byte 10: expected the rest of a string, received "\\n\\":1}"'],
  [
    'a fraction',
    file(`{${tensor('a', '1.5', '0,4')}}`, 4),
    'byte 37: expected a JSON value, numbers whole and from 0, ',
  ],
  [
    'a negative number',
    file(`{${tensor('a', '-1', '0,4')}}`, 4),
    'byte 37: expected a JSON value, numbers whole and from 0, ',
  ],
  [
    'a large number',
    file(`{${tensor('a', '9007199254740992', '0,4')}}`, 4),
    'byte 37: expected a number below 2^53, received ',
  ],
  ['metadata of numbers', file('{"__metadata__":{"a":1}}'), '__metadata__ "a": expected a string, received 1'],
  [
    'metadata that is a list',
    file('{"__metadata__":[]}'),
    '__metadata__: expected an object or null, received an array',
  ],
  ['a tensor that is a number', file('{"a":1}'), 'tensor "a": expected dtype, shape and data_offsets, received 1'],
  [
    'a tensor with more',
    file('{"a":{"x":1}}'),
    'tensor "a": expected only dtype, shape and data_offsets, received "x"',
  ],
  ['an unknown dtype', file(`{${tensor('a', '1', '0,4', 'F4')}}`, 4), 'tensor "a": expected a dtype of '],
  [
    'a dtype that objects have',
    file(`{${tensor('a', '1', '0,4', 'toString')}}`, 4),
    'tensor "a": expected a dtype of ',
  ],
  ['no dtype', file('{"a":{"shape":[],"data_offsets":[0,0]}}'), 'tensor "a": expected a dtype of '],
  [
    'no shape',
    file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4),
    'tensor "a".shape: expected an array of whole numbers from 0, received nothing',
  ],
  [
    'one offset',
    file(`{${tensor('a', '1', '0')}}`, 4),
    'tensor "a": expected data_offsets [start, end], received [0, ]',
  ],
  [
    'three offsets',
    file(`{${tensor('a', '1', '0,4,8')}}`, 8),
    'tensor "a": expected data_offsets [start, end], received [0, 4, 8]',
  ],
  [
    'offsets in reverse',
    file(`{${tensor('a', '1', '4,0')}}`, 4),
    'tensor "a": expected data_offsets [start, end], received [4, 0]',
  ],
  [
    'a size that is another',
    file(`{${tensor('a', '2', '0,4')}}`, 4),
    'tensor "a" at byte 62: expected 8 bytes for F32 of shape [2], received 4',
  ],
  [
    'a size that overflows',
    file(`{${tensor('a', '4294967296,4294967296', '0,0')}}`),
    'tensor "a" at byte 82: expected 73786976294838210000 bytes for F32 of shape [4294967296, 4294967296], received 0',
  ],
  ['a hole', file(`{${tensor('a', '1', '4,8')}}`, 8), 'tensor "a" at byte 66: expected it at byte 62, received a hole'],
  [
    'an overlap',
    file(`{${tensor('a', '2', '0,8')},${tensor('b', '1', '4,8')}}`, 8),
    'tensor "b" at byte 119: expected it at byte 123, received an overlap',
  ],
  ['missing bytes', file(`{${A}}`, 3), 'tensor "a" at byte 62: expected bytes up to 66, received a file of 65 bytes'],
  ['trailing bytes', file(`{${A}}`, 5), 'byte 66: expected the end of the file, received 1 bytes more'],
  [
    'a leaf that is a branch',
    file(`{${A},${tensor('a.b', '1', '4,8')}}`, 8),
    'a.b: expected a leaf or a branch, received both of this path',
  ],
  [
    'a branch that is a leaf',
    file(`{${tensor('a.b', '1', '0,4')},${tensor('a', '1', '4,8')}}`, 8),
    'a: expected a leaf or a branch, received both of this path',
  ],
  [
    '__proto__',
    file(`{${tensor('__proto__', '1', '0,4')}}`, 4),
    'key "__proto__": expected another key, received one that JavaScript reserves',
  ],
  [
    '__proto__ below',
    file(`{${tensor('a.__proto__.b', '1', '0,4')}}`, 4),
    'key "__proto__": expected another key, received ',
  ],
  [
    'a deep name',
    file(`{${tensor('a.'.repeat(1000), '1', '0,4')}}`, 4),
    `${'a.'.repeat(40)}: expected at most 1000 levels, received 1001`,
  ],
  [
    'a list with a billion holes',
    file(`{${tensor('999999999', '1', '0,4')}}`, 4),
    'lists: expected at most 4096 items left out, received 999999999',
  ],
  [
    'a later version',
    file('{"__metadata__":{"metal-sgd.version":"2"}}'),
    '__metadata__: expected metal-sgd.version 1, received "2"',
  ],
])('%s', (_, bytes, message) => {
  const failed = failureOf(() => fromBytes(bytes));
  expect([failed.name, failed.code]).toEqual(['RangeError', 'invalid-file']);
  expect(failed.message.slice(0, message.length + 7)).toBe(`bytes: ${message}`);
});

const noted = (note: string, tensors: string, bytes: number): Uint8Array => {
  const metadata = JSON.stringify({ 'metal-sgd.version': '1', 'metal-sgd.tree': note });
  return file(`{"__metadata__":${metadata},${tensors}}`, bytes);
};

test.each<[string, Uint8Array, string]>([
  [
    'that is no JSON',
    noted('{', A, 4),
    '__metadata__: the note of the tree, at 1: expected a string, received the end of the text',
  ],
  [
    'with a text',
    noted('{"a":"x"}', A, 4),
    '__metadata__: the note of the tree, at 0: expected objects, arrays and numbers, received "x"',
  ],
  ['without the tensor', noted('{}', A, 4), 'expected one that the note of the tree knows, received another'],
  [
    'with one more',
    noted('{"a":0,"b":0}', A, 4),
    'b: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'with one path twice',
    noted('{"a":{"b":0},"a.b":0}', tensor('a.b', '1', '0,4'), 4),
    'a.b: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'with an unknown kind',
    noted('{"a":2}', A, 4),
    'a: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'with __proto__',
    noted('{"__proto__":0}', tensor('__proto__', '1', '0,4'), 4),
    'key "__proto__": expected another key',
  ],
  ['that is too deep', noted('['.repeat(1001), A, 4), 'expected at most 1000 levels, received "["'],
])('a note %s', (_, bytes, message) => {
  const failed = failureOf(() => fromBytes(bytes));
  expect([failed.name, failed.code]).toEqual(['RangeError', 'invalid-file']);
  expect(failed.message).toContain(message);
});

test.each<[string, (bytes: Buffer) => void, string]>([
  [
    'a step beyond 2^53',
    (bytes) => bytes.writeBigUInt64LE(2n ** 53n, bytes.length - 8),
    'tensor "step" at byte 634: expected a step from 0 to 2^53 - 1, received 9007199254740992',
  ],
  [
    'a learning rate that is NaN',
    (bytes) => bytes.writeFloatLE(NaN, bytes.length - 12),
    'tensor "learning_rate" at byte 630: expected a finite number, received NaN',
  ],
])('%s is refused, and nothing has changed', (_, change, message) => {
  const bytes = Buffer.from(fixture('mlx-optimizer-state.safetensors'));
  change(bytes);
  const optimizer = new SGD(0.5);
  expect(failureOf(() => optimizer.fromBytes(bytes))).toEqual({
    name: 'RangeError',
    code: 'invalid-file',
    message: `bytes: ${message}`,
  });
  expect(optimizer.state).toEqual({ step: 0, learningRate: 0.5, parameters: {} });
});

test('an empty file of ours and of MLX is an empty tree', () => {
  expect(fromBytes(file('{}')).tree).toEqual({});
  expect(fromBytes(file('{"__metadata__":null}  ')).tree).toEqual({});
});
