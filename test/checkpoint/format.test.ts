// Files that are wrong: each kind of wrongness, with the file, the tensor and the byte in the message.
import { fromBytes, SGD } from '../../lib';
import { failureOf } from '../helpers/failures';
import { fixture } from '../helpers/fixtures';
import { withHeader } from '../helpers/mutateFile';

/** A file of this header and so many bytes of data. */
function file(header: string, dataBytes = 0, headerBytes?: number): Uint8Array {
  return withHeader(header, headerBytes, Buffer.alloc(dataBytes));
}

const tensor = (name: string, shape: string, offsets: string, dtype = 'F32'): string =>
  `"${name}":{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;

const A = tensor('a', '1', '0,4');

test.each<[string, Uint8Array, string]>([
  ['is empty', new Uint8Array(0), 'byte 0: expected the 8 bytes of the header length, received a file of 0 bytes'],
  [
    'has only 7 bytes',
    new Uint8Array(7),
    'byte 0: expected the 8 bytes of the header length, received a file of 7 bytes',
  ],
  [
    'has a header longer than the file',
    file('{}', 0, 3),
    'byte 0: expected a header of at most 2 bytes, received one of 3',
  ],
  [
    'claims a header of 2^64 - 1 bytes',
    Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from('{}')]),
    'byte 0: expected a header of at most 2 bytes, received one of 18446744073709551615',
  ],
  ['has an empty header', file(''), 'byte 8: expected a JSON value, received the end of the text'],
  [
    'has a header that is not UTF-8',
    file('{"\xff"}').map((byte) => (byte === 0xc3 ? 0xff : byte)),
    'byte 8: expected a header in UTF-8, received other bytes',
  ],
  ['has an array as its header', file('[]'), 'byte 8: expected a JSON object, received "[]"'],
  ['has a space before its header', file(' {}'), 'byte 8: expected a JSON object, received " {}"'],
  ['has text after its header', file('{}x'), 'byte 10: expected the end of the JSON text, received "x"'],
  [
    'nests too deeply, by one level',
    file(`{"a":{"x":${'['.repeat(126)}`),
    'byte 143: expected at most 127 levels, received "["',
  ],
  [
    'nests too deeply, by 100,000 levels',
    file('['.repeat(100_000)),
    'byte 135: expected at most 127 levels, received "[[[[[[[[[[[[[[[[[[[["',
  ],
  ['names a tensor twice', file(`{${A},${A}}`, 4), 'byte 62: expected each name once, received "a" again'],
  [
    'has a key twice in one tensor',
    file('{"a":{"dtype":"F32","dtype":"F32"}}'),
    'byte 28: expected each name once, received "dtype" again',
  ],
  [
    'has half of a surrogate pair in a name',
    file('{"\\ud800":1}'),
    'byte 9: expected Unicode, received half of a surrogate pair',
  ],
  ['has a syntax error after non-ASCII letters', file('{"ø😀":x}'), 'byte 18: expected a JSON value, received "x}"'],
  ['has a raw line break in a name', file('{"\n":1}'), 'byte 10: expected the rest of a string, received "\\n\\":1}"'],
  [
    'has a fraction in a shape',
    file(`{${tensor('a', '1.5', '0,4')}}`, 4),
    'tensor "a".shape: expected an array of whole numbers from 0 to 2^53 - 1, received [1.5]',
  ],
  [
    'has a negative number in a shape',
    file(`{${tensor('a', '-1', '0,4')}}`, 4),
    'tensor "a".shape: expected an array of whole numbers from 0 to 2^53 - 1, received [-1]',
  ],
  [
    'has 2^53 in a shape',
    file(`{${tensor('a', '9007199254740992', '0,4')}}`, 4),
    'tensor "a".shape: expected an array of whole numbers from 0 to 2^53 - 1, received [9007199254740992]',
  ],
  ['has a number in its metadata', file('{"__metadata__":{"a":1}}'), '__metadata__ "a": expected a string, received 1'],
  [
    'has a list as its metadata',
    file('{"__metadata__":[]}'),
    '__metadata__: expected an object or null, received an array',
  ],
  [
    'has a number in place of a tensor',
    file('{"a":1}'),
    'tensor "a": expected dtype, shape and data_offsets, received 1',
  ],
  [
    'has a dtype that is no name',
    file(`{${tensor('a', '1', '0,4', 'F 32')}}`, 4),
    'tensor "a": expected a dtype such as ',
  ],
  [
    'has an odd number of half bytes',
    file(`{${tensor('a', '3', '0,1', 'F4')}}`, 1),
    'tensor "a" at byte 61: expected 1.5 bytes',
  ],
  [
    'has a hole before an unknown dtype',
    file(`{${tensor('a', '1', '4,8', 'X')}}`, 8),
    'tensor "a" at byte 64: expected it at ',
  ],
  [
    'has a tensor without a dtype',
    file('{"a":{"shape":[],"data_offsets":[0,0]}}'),
    'tensor "a": expected a dtype such as ',
  ],
  [
    'has a tensor without a shape',
    file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4),
    'tensor "a".shape: expected an array of whole numbers from 0 to 2^53 - 1, received nothing',
  ],
  [
    'has a tensor with one offset',
    file(`{${tensor('a', '1', '0')}}`, 4),
    'tensor "a": expected data_offsets [start, end], received [0, ]',
  ],
  [
    'has a tensor with three offsets',
    file(`{${tensor('a', '1', '0,4,8')}}`, 8),
    'tensor "a": expected data_offsets [start, end], received [0, 4, 8]',
  ],
  [
    'has a tensor with offsets in reverse',
    file(`{${tensor('a', '1', '4,0')}}`, 4),
    'tensor "a": expected data_offsets [start, end], received [4, 0]',
  ],
  [
    'has a tensor whose size contradicts its shape',
    file(`{${tensor('a', '2', '0,4')}}`, 4),
    'tensor "a" at byte 62: expected 8 bytes for F32 of shape [2], received 4',
  ],
  [
    'has a tensor whose size overflows',
    file(`{${tensor('a', '4294967296,4294967296', '0,0')}}`),
    'tensor "a" at byte 82: expected 73786976294838210000 bytes for F32 of shape [4294967296, 4294967296], received 0',
  ],
  [
    'has a hole between tensors',
    file(`{${tensor('a', '1', '4,8')}}`, 8),
    'tensor "a" at byte 66: expected it at byte 62, received a hole',
  ],
  [
    'has overlapping tensors',
    file(`{${tensor('a', '2', '0,8')},${tensor('b', '1', '4,8')}}`, 8),
    'tensor "b" at byte 119: expected it at byte 123, received an overlap',
  ],
  [
    'ends inside a tensor',
    file(`{${A}}`, 3),
    'tensor "a" at byte 62: expected bytes up to 66, received a file of 65 bytes',
  ],
  [
    'has bytes after its last tensor',
    file(`{${A}}`, 5),
    'byte 66: expected the end of the file, received 1 bytes more',
  ],
  [
    'has a tensor named __proto__',
    file(`{${tensor('__proto__', '1', '0,4')}}`, 4),
    'key "__proto__": expected another key, received one that JavaScript reserves',
  ],
  [
    'has a tensor with __proto__ inside its path',
    file(`{${tensor('a.__proto__.b', '1', '0,4')}}`, 4),
    'key "__proto__": expected another key, received ',
  ],
  [
    'has a path of more than 1,000 levels',
    file(`{${tensor('a.'.repeat(1000), '1', '0,4')}}`, 4),
    `${'a.'.repeat(40)}: expected at most 1000 levels, received 1001`,
  ],
  [
    'has a later version',
    file('{"__metadata__":{"metal-sgd.version":"2"}}'),
    '__metadata__: expected metal-sgd.version 1, received "2"',
  ],
])('a file is refused if it %s', (_, bytes, message) => {
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
    'is not JSON',
    noted('{', A, 4),
    '__metadata__: the note of the tree, at 1: expected a string, received the end of the text',
  ],
  [
    'holds a string',
    noted('{"a":"x"}', A, 4),
    '__metadata__: the note of the tree, at 0: expected objects, arrays and numbers, received "x"',
  ],
  ['lacks the tensor', noted('{}', A, 4), 'expected one that the note of the tree knows, received another'],
  [
    'has one tensor more',
    noted('{"a":0,"b":0}', A, 4),
    'b: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'has one path twice',
    noted('{"a":{"b":0},"a.b":0}', tensor('a.b', '1', '0,4'), 4),
    'a.b: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'has an unknown kind of leaf',
    noted('{"a":2}', A, 4),
    'a: expected one tensor, as the note of the tree says, received none or two',
  ],
  [
    'has the key __proto__',
    noted('{"__proto__":0}', tensor('__proto__', '1', '0,4'), 4),
    'key "__proto__": expected another key',
  ],
  ['nests too deeply', noted('['.repeat(1001), A, 4), 'expected at most 1000 levels, received "["'],
])('a note of the tree is refused if it %s', (_, bytes, message) => {
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
])('load refuses %s and changes nothing', (_, change, message) => {
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

test('an empty file, ours or MLX’s, is an empty tree', () => {
  expect(fromBytes(file('{}')).tree).toEqual({});
  expect(fromBytes(file('{"__metadata__":null}  ')).tree).toEqual({});
});

describe('a good file loads where', () => {
  const { TextDecoder } = globalThis;
  afterEach(() => Object.assign(globalThis, { TextDecoder }));

  test.each<[string, unknown]>([
    ['there is no TextDecoder', undefined],
    [
      'TextDecoder can’t be strict',
      function refuse(): never {
        throw new TypeError('"fatal" option is not supported on Node.js compiled without ICU');
      },
    ],
  ])('%s', (_, substitute) => {
    Object.assign(globalThis, { TextDecoder: substitute });
    expect(fromBytes(file(`{${tensor('\ufeffø', '1', '0,4')}}`, 4)).tree).toHaveProperty(['\ufeffø']);
  });
});
