// Parameter groups and frozen leaves: who belongs where, live options, state, files, and what is refused.
import { type Leaf, SGD, type SGDOptions, zeros, zerosLike } from '../../lib';
import { failureOf, rangeFailure, typeFailure } from '../helpers/failures';
import { bytesOf, memoryOf, numbers } from '../helpers/memory';
import { withHeader } from '../helpers/mutateFile';

const SHAPES = { layer: { weight: [2], bias: [2] }, norm: { weight: [1] } };

interface Net {
  layer: { weight: ReturnType<typeof zeros<number>>; bias: ReturnType<typeof zeros<number>> };
  norm: { weight: ReturnType<typeof zeros<number>> };
}

function net(): { parameters: Net; gradients: Net } {
  const parameters: Net = zeros(SHAPES);
  const gradients = zerosLike(parameters);
  for (const { data } of [gradients.layer.weight, gradients.layer.bias, gradients.norm.weight]) data.fill(1);
  return { parameters, gradients };
}

/** The first element of weight, bias and norm. */
const firsts = ({ layer, norm }: Net): number[] => [layer.weight.data[0], layer.bias.data[0], norm.weight.data[0]];

/** After one step from zero at gradients of 1: minus the learning rate of each. */
function ratesAfterStep(options: SGDOptions, change: (optimizer: SGD) => void = () => undefined): number[] {
  const { parameters, gradients } = net();
  const optimizer = new SGD(1, options);
  change(optimizer);
  optimizer.update(parameters, gradients);
  return firsts(parameters).map((value) => -value);
}

describe('who belongs where', () => {
  test('the first group that picks a leaf has it, and the rest takes the optimizer’s values', () => {
    const groups = [
      { parameters: /bias$/, learningRate: 2 },
      { parameters: (path: string) => path.startsWith('layer'), learningRate: 3 },
    ];
    expect(ratesAfterStep({ groups })).toEqual([3, 2, 1]);
  });

  test('a RegExp starts anew for each leaf, also with g or y', () => {
    const filter = /layer/gy;
    filter.lastIndex = 3;
    expect(ratesAfterStep({ groups: [{ parameters: filter, learningRate: 2 }] })).toEqual([2, 2, 1]);
    expect(filter.lastIndex).toBe(3);
  });

  test('a filter is asked once for each leaf, with or without gradient, and gets the leaf', () => {
    const { parameters, gradients } = net();
    const asked: [string, Leaf][] = [];
    const filter = (path: string, leaf: Leaf): boolean => asked.push([path, leaf]) > 0;
    const optimizer = new SGD(1, { groups: [{ parameters: filter }] });
    for (let i = 0; i < 3; i++) optimizer.update(parameters, { layer: { bias: gradients.layer.bias } });
    optimizer.update({ ...parameters }, gradients);
    expect(asked.map(([path]) => path)).toEqual(['layer.weight', 'layer.bias', 'norm.weight']);
    expect(asked[2][1]).toBe(parameters.norm.weight);
    optimizer.update({ ...parameters, late: zeros(1) }, { late: zeros(1) });
    expect(asked.at(-1)?.[0]).toBe('late');
  });

  test('a tree that is one leaf has the path ""', () => {
    const parameter = new Float32Array(1);
    new SGD(1, { groups: [{ parameters: /^$/, learningRate: 2 }] }).update(parameter, Float32Array.of(1));
    expect(parameter[0]).toBe(-2);
  });

  test('updateAsync and applyGradients know groups too', async () => {
    const options = { groups: [{ parameters: /bias/, learningRate: 2 }], trainable: /layer/ };
    const { parameters, gradients } = net();
    await new SGD(1, options).updateAsync(parameters, gradients);
    expect(firsts(parameters)).toEqual([-1, -2, 0]);
    const stepped = new SGD(1, options).applyGradients(gradients, parameters);
    expect(firsts(stepped)).toEqual([-2, -4, 0]);
    expect(stepped.norm.weight).not.toBe(parameters.norm.weight);
    expect(firsts(parameters)).toEqual([-1, -2, 0]);
  });
});

describe('options of a group', () => {
  test('follow the optimizer until they are given, also when it changes, and again once they are undefined', () => {
    const optimizer = new SGD(1, { momentum: 0.5, groups: [{ parameters: /bias/, weightDecay: 0.25 }] });
    const [group] = optimizer.groups;
    const values = (): unknown[] => [
      group.momentum,
      group.weightDecay,
      group.dampening,
      group.nesterov,
      group.learningRate,
    ];
    expect(values()).toEqual([0.5, 0.25, 0, false, 1]);
    optimizer.momentum = 0.75;
    optimizer.learningRate = 2;
    expect(values()).toEqual([0.75, 0.25, 0, false, 2]);
    group.momentum = 0.9;
    group.learningRate = 4;
    optimizer.momentum = 0.1;
    optimizer.learningRate = 3;
    expect(values()).toEqual([0.9, 0.25, 0, false, 4]);
    group.momentum = undefined;
    group.weightDecay = undefined;
    group.learningRate = undefined;
    expect(values()).toEqual([0.1, 0, 0, false, 3]);
  });

  test('hold from the next step on', () => {
    const { parameters, gradients } = net();
    const optimizer = new SGD(1, { groups: [{ parameters: /bias/, learningRate: 2 }] });
    optimizer.update(parameters, gradients);
    optimizer.groups[0].learningRate = 10;
    optimizer.update(parameters, gradients);
    optimizer.groups[0].weightDecay = 1;
    optimizer.update(parameters, gradients);
    // -12, then its decay: -12 - 10 * (1 - 12)
    expect(firsts(parameters)).toEqual([-3, 98, -3]);
  });

  test('a schedule of a group is asked with the common step, also ahead of pending steps', async () => {
    const { parameters, gradients } = net();
    const asked: number[] = [];
    const schedule = (step: number): number => {
      asked.push(step);
      return step + 1;
    };
    const optimizer = new SGD(1, { groups: [{ parameters: /bias/, learningRate: schedule }] });
    optimizer.update(parameters, gradients);
    await Promise.all([1, 2].map(() => optimizer.updateAsync(parameters, gradients)));
    expect(asked).toEqual([0, 0, 1, 2]);
    expect(firsts(parameters)).toEqual([-3, -6, -3]);
    expect([optimizer.groups[0].learningRate, optimizer.learningRate]).toEqual([3, 1]);
  });

  test('momentum in some groups alone: leaves without have no v; off and on again it goes on', () => {
    const { parameters, gradients } = net();
    const optimizer = new SGD(1, { groups: [{ parameters: /bias/, momentum: 0.5 }] });
    optimizer.update(parameters, gradients);
    expect(optimizer.state.parameters).toMatchObject({ layer: { weight: {}, bias: { v: {} } }, norm: { weight: {} } });
    expect(Object.keys(optimizer.state.parameters)).toEqual(['layer', 'norm']);
    optimizer.update(parameters, gradients);
    expect(firsts(parameters)).toEqual([-2, -2.5, -2]);
    optimizer.groups[0].momentum = 0;
    optimizer.update(parameters, gradients);
    expect(firsts(parameters)[1]).toBe(-3.5);
    optimizer.groups[0].momentum = 0.5;
    optimizer.update(parameters, gradients);
    // v rested at 1.5: 0.5 * 1.5 + 1
    expect(firsts(parameters)[1]).toBe(-5.25);
  });

  test('the list is fixed, and while steps are pending everything is busy', async () => {
    const { parameters, gradients } = net();
    const optimizer = new SGD(1, { groups: [{ parameters: /bias/ }] });
    expect(Object.isFrozen(optimizer.groups)).toBe(true);
    expect(optimizer.groups[0].parameters).toEqual(/bias/);
    const step = optimizer.updateAsync(parameters, gradients);
    const message = 'groups.0.momentum: 1 asynchronous step is still pending; await it first';
    expect(failureOf(() => (optimizer.groups[0].momentum = 1))).toEqual({ name: 'Error', code: 'busy', message });
    expect(failureOf(() => (optimizer.groups[0].learningRate = 1)).code).toBe('busy');
    expect(failureOf(() => (optimizer.trainable = /x/)).code).toBe('busy');
    await step;
  });
});

describe('trainable', () => {
  test('a frozen leaf is not read and has no velocity; its gradient may be NaN, or missing', () => {
    const { parameters, gradients } = net();
    gradients.norm.weight.data.fill(NaN);
    const optimizer = new SGD(1, { momentum: 0.5, trainable: (path) => path !== 'norm.weight' });
    optimizer.update(parameters, gradients);
    optimizer.update(parameters, { layer: gradients.layer });
    expect(firsts(parameters)).toEqual([-2.5, -2.5, 0]);
    expect(optimizer.state.parameters).toMatchObject({ layer: { bias: { v: {} } }, norm: { weight: {} } });
    optimizer.init(parameters);
    expect(optimizer.state.parameters).toHaveProperty('norm', { weight: {} });
  });

  test('once assigned, all leaves are asked again; a velocity at rest goes on', () => {
    const { parameters, gradients } = net();
    const optimizer = new SGD(1, { momentum: 0.5 });
    expect(optimizer.trainable).toBeUndefined();
    optimizer.update(parameters, gradients);
    optimizer.trainable = /^layer/;
    optimizer.update(parameters, gradients);
    expect(firsts(parameters)).toEqual([-2.5, -2.5, -1]);
    optimizer.trainable = undefined;
    optimizer.update(parameters, gradients);
    // v of the norm rested at 1.
    expect(firsts(parameters)).toEqual([-4.25, -4.25, -2.5]);
    optimizer.trainable = /^norm/;
    optimizer.update(parameters, gradients);
    optimizer.trainable = /bias/;
    optimizer.update(parameters, gradients);
    expect(firsts(parameters)).toEqual([-4.25, -6.125, -4.25]);
  });
});

describe('what is refused, and changes nothing', () => {
  const rows: [string, SGDOptions | object, object][] = [
    ['no list', { groups: {} }, typeFailure('invalid-option', 'groups: expected an array, received an object')],
    [
      'an unknown option',
      { groups: [{ parameters: /x/, lr: 1 }] },
      rangeFailure(
        'invalid-option',
        'groups.0: expected only parameters, learningRate, momentum, weightDecay, dampening, nesterov, maximize, received "lr"',
      ),
    ],
    [
      'no filter',
      { groups: [{ learningRate: 1 }] },
      typeFailure(
        'invalid-option',
        'groups.0.parameters: expected a RegExp or a function of the path and the leaf, received undefined',
      ),
    ],
    [
      'a wrong number',
      { groups: [{ parameters: /x/ }, { parameters: /y/, momentum: NaN }] },
      rangeFailure('invalid-hyperparameter', 'groups.1.momentum: expected a finite number, received NaN'),
    ],
    [
      'Nesterov without momentum, once inherited',
      { nesterov: true, momentum: 0.9, groups: [{ parameters: /x/, momentum: 0 }] },
      rangeFailure('invalid-hyperparameter', 'groups.0: Nesterov momentum requires a momentum and zero dampening.'),
    ],
    [
      'a wrong rate of a schedule',
      { groups: [{ parameters: /x/, learningRate: () => NaN }] },
      rangeFailure('invalid-hyperparameter', 'groups.0.learningRate at step 0: expected a finite number, received NaN'),
    ],
    [
      'no filter of leaves that train',
      { trainable: 'layer' },
      typeFailure(
        'invalid-option',
        'trainable: expected a RegExp or a function of the path and the leaf, received "layer"',
      ),
    ],
    [
      'too many groups',
      { groups: Array.from({ length: 256 }, () => ({ parameters: /x/ })) },
      rangeFailure('invalid-option', 'groups: expected at most 255, received 256'),
    ],
  ];

  test.each(rows)('at the constructor: %s', (_, options, failure) => {
    expect(failureOf(() => new SGD(1, options))).toEqual(failure);
  });

  const atTheStep: [string, SGDOptions | object, object][] = [
    [
      'a group that picks no leaf',
      { groups: [{ parameters: /layer/ }, { parameters: /bias/ }] },
      rangeFailure(
        'invalid-option',
        'groups.1.parameters: expected a filter that picks a leaf that no group before it takes, received one that picks none',
      ),
    ],
    [
      'a filter that gives no boolean',
      { groups: [{ parameters: (path: string) => path }] },
      typeFailure(
        'invalid-option',
        'groups.0.parameters: expected a boolean for "layer.weight", received "layer.weight"',
      ),
    ],
    [
      'a filter that throws',
      {
        trainable: (path: string) => {
          throw new Error(path);
        },
      },
      typeFailure('invalid-option', 'trainable: expected a boolean for "layer.weight", received an error'),
    ],
  ];

  test.each(atTheStep)('at the step: %s', (_, options, failure) => {
    const { parameters, gradients } = net();
    const optimizer = new SGD(1, { ...options, momentum: 0.9 });
    const before = memoryOf(optimizer) + bytesOf(parameters);
    expect(
      failureOf(() => {
        optimizer.update(parameters, gradients);
      }),
    ).toEqual(failure);
    expect(memoryOf(optimizer) + bytesOf(parameters)).toBe(before);
    expect(optimizer.step).toBe(0);
  });

  test('an assignment that contradicts, by the group or by the optimizer', () => {
    const optimizer = new SGD(1, { momentum: 0.5, groups: [{ parameters: /bias/, nesterov: true }] });
    const text = 'groups.0: Nesterov momentum requires a momentum and zero dampening.';
    expect(failureOf(() => (optimizer.groups[0].dampening = 1)).message).toBe(text);
    expect(failureOf(() => (optimizer.momentum = 0)).message).toBe(text);
    expect([optimizer.momentum, optimizer.groups[0].dampening]).toEqual([0.5, 0]);
  });

  test('one leaf by itself, with code not-single', () => {
    const optimizer = new SGD(1, { groups: [{ parameters: /bias/ }] });
    const leaf = new Float32Array(1);
    expect(failureOf(() => optimizer.applySingle(leaf, leaf, {})).code).toBe('not-single');
    expect(
      failureOf(() => {
        optimizer.initSingle(leaf, {});
      }).code,
    ).toBe('not-single');
  });
});

describe('state and files', () => {
  const options = {
    momentum: 0.5,
    groups: [
      { parameters: /bias/, learningRate: 2 },
      { parameters: /norm/, momentum: 0 },
    ],
  };

  function trained(): { optimizer: SGD; parameters: Net; gradients: Net } {
    const one = net();
    const optimizer = new SGD(1, options);
    optimizer.groups[0].learningRate = 4;
    optimizer.update(one.parameters, one.gradients);
    return { optimizer, ...one };
  }

  test('the state has the learning rates of groups', () => {
    const { optimizer } = trained();
    expect(optimizer.state).toMatchObject({ step: 1, groups: [{ learningRate: 4 }, { learningRate: 1 }] });
    expect('groups' in new SGD(1).state).toBe(false);
    const other = new SGD(1, options);
    other.state = optimizer.state;
    expect(other.groups.map(({ learningRate }) => learningRate)).toEqual([4, 1]);
    expect(failureOf(() => (new SGD(1).state = optimizer.state))).toEqual(
      rangeFailure('state-mismatch', 'state.groups: expected an array of 0 { learningRate }, received 2'),
    );
    const state = { ...optimizer.state, groups: [{ learningRate: 1 }, {}] as never };
    expect(failureOf(() => (optimizer.state = state)).message).toBe(
      'state.groups.1.learningRate: expected a finite number, received undefined',
    );
  });

  test('a file resumes to the same bits, rates of groups included', () => {
    const { optimizer, parameters, gradients } = trained();
    const file = optimizer.toBytes({ parameters });
    const resumed = net().parameters;
    const other = new SGD(1, options);
    other.fromBytes(file, { parameters: resumed });
    expect(other.groups.map(({ learningRate }) => learningRate)).toEqual([4, 1]);
    for (const [one, tree] of [
      [optimizer, parameters],
      [other, resumed],
    ] as const) {
      for (let i = 0; i < 3; i++) one.update(tree, gradients);
    }
    expect(bytesOf(resumed)).toBe(bytesOf(parameters));
    expect(memoryOf(other)).toBe(memoryOf(optimizer));
  });

  test('regrouping keeps momentum; other groups than the file’s are a difference, none in the file is not', () => {
    const { optimizer, parameters, gradients } = trained();
    const file = optimizer.toBytes({ parameters });
    const regrouped = new SGD(1, { momentum: 0.5, groups: [{ parameters: /weight/ }] });
    const { message } = failureOf(() => regrouped.fromBytes(file, { parameters: net().parameters }));
    expect(message).toContain('state.groups: expected 1 groups, received 2');
    const resumed = net().parameters;
    regrouped.fromBytes(file, { parameters: resumed, strict: false });
    regrouped.learningRate = 1;
    regrouped.update(resumed, gradients);
    // v of the bias was 1: 0.5 * 1 + 1
    expect(resumed.layer.bias.data[0]).toBe(parameters.layer.bias.data[0] - 1.5);

    const plain = new SGD(1, { momentum: 0.5 });
    plain.update(net().parameters, gradients);
    new SGD(1, options).fromBytes(plain.toBytes({ parameters }), { parameters: net().parameters });
  });

  /** A file as MLX's `save_safetensors` writes the flattened state of a `MultiOptimizer`. */
  function fileOf(tensors: Readonly<Record<string, number[] | number | bigint>>): Buffer {
    const header: Record<string, unknown> = {};
    const parts: Uint8Array[] = [];
    let end = 0;
    for (const [name, value] of Object.entries(tensors)) {
      const data = typeof value === 'bigint' ? BigUint64Array.of(value) : Float32Array.of(...[value].flat());
      const shape = Array.isArray(value) ? [value.length] : [];
      const offsets = [end, (end += data.byteLength)];
      header[name] = { dtype: typeof value === 'bigint' ? 'U64' : 'F32', shape, data_offsets: offsets };
      parts.push(new Uint8Array(data.buffer));
    }
    return withHeader(JSON.stringify(header), undefined, Buffer.concat(parts));
  }

  const MULTI = {
    'states.0.step': 7n,
    'states.0.learning_rate': 4,
    'states.0.layer.bias.v': [1, 2],
    'states.1.step': 7n,
    'states.1.learning_rate': 0.5,
    'states.1.layer.weight.v': [3, 4],
    'states.1.norm.weight.v': [5],
  };

  test('the state of MLX’s MultiOptimizer loads: rates of groups, then the one of all other leaves', () => {
    const optimizer = new SGD(1, { momentum: 0.5, groups: [{ parameters: /bias/, learningRate: 2 }] });
    const { parameters, gradients } = net();
    optimizer.fromBytes(fileOf(MULTI));
    expect([optimizer.step, optimizer.learningRate, optimizer.groups[0].learningRate]).toEqual([7, 0.5, 4]);
    optimizer.update(parameters, gradients);
    const { layer, norm } = parameters;
    expect([layer.bias, layer.weight, norm.weight].map(({ data }) => numbers(data))).toEqual([
      [-6, -8],
      [-1.25, -1.5],
      [-1.75],
    ]);
  });

  test('a state of more or fewer optimizers than groups is a difference', () => {
    const load = (): unknown => new SGD(1, { momentum: 0.5 }).fromBytes(fileOf(MULTI));
    expect(failureOf(load)).toMatchObject({
      code: 'file-mismatch',
      message: expect.stringContaining('state.groups: expected 0 groups, received 1') as string,
    });
  });
});
