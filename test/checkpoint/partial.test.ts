// States that have a velocity for a part of the tree: of frozen layers, of a phase that trained the head alone, of files
// that have lost a tensor.
import { clone, type Difference, SGD, torchState } from '../../lib';
import { layOut } from '../../lib/safetensors/header';
import { joinPieces } from '../../lib/safetensors/write';
import { differencesOf, failureOf } from '../helpers/failures';
import { bytesOf, memoryOf } from '../helpers/memory';

type Model = Record<'body' | 'head' | 'more', Float32Array>;

const KEYS = ['body', 'head', 'more'] as const;

/** The live array of a velocity. */
function velocityOf(optimizer: SGD, key: keyof Model): Float32Array {
  const { v } = (optimizer.state.parameters as unknown as Record<string, { v: Float32Array | { data: Float32Array } }>)[
    key
  ];
  return 'data' in v ? v.data : v;
}

interface Training {
  readonly parameters: Model;
  readonly gradients: Model;
  readonly optimizer: SGD;
}

const LENGTHS = { body: 3, head: 2, more: 5 };

function begin(hyperparameters = { momentum: 0.9 }): Training {
  const parameters = Object.fromEntries(
    Object.entries(LENGTHS).map(([key, length]) => [key, new Float32Array(length).fill(1)]),
  ) as Model;
  const gradients = clone(parameters);
  return { parameters, gradients, optimizer: new SGD(0.1, hyperparameters) };
}

/** A file after steps of the head alone, with its parameters. */
function headAlone(steps = 2): Uint8Array {
  const { parameters, gradients, optimizer } = begin();
  for (let i = 0; i < steps; i++) optimizer.update(parameters, { head: gradients.head });
  return optimizer.toBytes({ parameters });
}

interface Header {
  readonly __metadata__: Record<string, string>;
  readonly [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] } | Record<string, string>;
}

/** The same file with tensors renamed; without those whose new name is undefined. `metadata` replaces the file's. */
function rewritten(
  file: Uint8Array,
  rename: (name: string) => string | undefined,
  metadata?: Record<string, string>,
): Uint8Array {
  const length = 8 + Number(Buffer.from(file.buffer, file.byteOffset).readBigUInt64LE());
  const header = JSON.parse(Buffer.from(file.slice(8, length)).toString()) as Header;
  const items = Object.entries(header).flatMap(([name, entry]) => {
    const renamed = name === '__metadata__' ? undefined : rename(name);
    if (renamed === undefined) return [];
    const {
      dtype,
      shape,
      data_offsets: [start, end],
    } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    return [{ name: renamed, dtype, shape, parts: [file.slice(length + start, length + end)] }];
  });
  return joinPieces(layOut(items, metadata ?? header.__metadata__));
}

/** A file as MLX writes one: no metadata of ours, parameters elsewhere. */
const asMlx = (file: Uint8Array): Uint8Array =>
  rewritten(file, (name) => (name.startsWith('parameters.') ? undefined : name), {});

/** As PyTorch's buffers by name. */
const asTorch = (file: Uint8Array): Uint8Array =>
  rewritten(file, (name) => (name.endsWith('.v') ? name.replace(/v$/, 'momentum_buffer') : undefined), {});

const stepped = (): Training => {
  const training = begin();
  training.optimizer.update(training.parameters, training.gradients);
  return training;
};

const initialised = (): Training => {
  const training = begin();
  training.optimizer.init(training.parameters);
  return training;
};

const wasAtFive = (): Training => {
  const training = initialised();
  for (const key of KEYS) velocityOf(training.optimizer, key).fill(5);
  return training;
};

describe('a velocity that a file lacks is zero after a load', () => {
  const before: Record<string, () => Training> = {
    'an optimizer that has stepped the whole model': stepped,
    'an initialised optimizer': initialised,
    'an optimizer whose velocities were set': wasAtFive,
  };
  const formats: Record<string, [(file: Uint8Array) => Uint8Array, object]> = {
    'our file': [(file) => file, {}],
    'an MLX file': [asMlx, {}],
    'a PyTorch file': [asTorch, { from: torchState({ step: 2 }) }],
  };
  for (const [kind, prepare] of Object.entries(before)) {
    test.each(Object.entries(formats))(
      `${kind} takes %s and goes on as a fresh process`,
      (format, [write, options]) => {
        const file = write(headAlone());
        const fresh = begin();
        const other = prepare();
        const arrays = KEYS.map((key) => velocityOf(other.optimizer, key));
        const results = [fresh, other].map(({ optimizer, parameters, gradients }) => {
          for (const one of Object.values(parameters)) one.fill(0.5);
          const all = { ...options, ...(format === 'our file' && { parameters }) };
          expect(optimizer.fromBytes(file, all).differences).toEqual([]);
          for (let i = 0; i < 3; i++) optimizer.update(parameters, gradients);
          return bytesOf([parameters, KEYS.map((key) => velocityOf(optimizer, key))]);
        });
        expect(results[1]).toBe(results[0]);
        // The arrays that were there are still those of the state.
        KEYS.forEach((key, i) => {
          expect(velocityOf(other.optimizer, key)).toBe(arrays[i]);
        });
      },
    );
  }

  test('without `strict` too', () => {
    const { optimizer, parameters } = stepped();
    optimizer.fromBytes(headAlone(), { parameters, strict: false });
    expect(velocityOf(optimizer, 'body')).toEqual(new Float32Array(LENGTHS.body));
  });

  test('and unchanged if the load fails', () => {
    const { optimizer, parameters } = stepped();
    const before = bytesOf(optimizer.state);
    const other = { ...parameters, body: new Float32Array(9) };
    failureOf(() => optimizer.fromBytes(headAlone(), { parameters: other }));
    failureOf(() => optimizer.fromBytes(rewritten(headAlone(), (name) => (name === 'head.v' ? undefined : name))));
    expect(bytesOf(optimizer.state)).toBe(before);
  });
});

describe('a velocity that a file has lost is a difference', () => {
  const missing = (...keys: string[]): Difference[] =>
    keys.map((key) => ({ path: `state.parameters.${key}.v`, kind: 'missing' }));
  const all = (): Uint8Array => {
    const { parameters, optimizer } = stepped();
    return optimizer.toBytes({ parameters });
  };
  const without = (file: Uint8Array, key: string): Uint8Array =>
    rewritten(file, (name) => (name === `${key}.v` ? undefined : name));

  test.each<[string, Uint8Array, Difference[]]>([
    ['of ours', without(all(), 'more'), missing('more')],
    ['of ours, of a part of the tree', without(headAlone(), 'head'), missing('body', 'head', 'more')],
    ['of MLX, all of them', asMlx(without(headAlone(), 'head')), missing('body', 'head', 'more')],
    [
      'of MLX, under another name',
      rewritten(asMlx(all()), (name) => (name === 'more.v' ? 'other.v' : name)),
      [...missing('more'), { path: 'state.parameters.other.v', kind: 'extra' }],
    ],
  ])('a file %s', (_, file, expected) => {
    for (const { optimizer } of [stepped(), initialised()]) {
      const before = memoryOf(optimizer);
      expect(differencesOf(() => optimizer.fromBytes(file))).toEqual(expected);
      expect(memoryOf(optimizer)).toBe(before);
      expect(optimizer.fromBytes(file, { strict: false }).differences).toEqual(expected);
    }
  });

  test('and a fresh optimizer says so', () => {
    const expected = [{ path: 'state.parameters', kind: 'missing' }];
    expect(differencesOf(() => new SGD(0.1, { momentum: 0.9 }).fromBytes(without(all(), 'more')))).toEqual(expected);
  });
});
