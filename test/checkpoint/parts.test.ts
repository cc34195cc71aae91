// Masters, averages and accumulated sums in files and states: training goes on to the same bits, and what differs is said.
import { join } from 'node:path';
import { clone, type LeafState, SGD, type SGDOptions, type Tensor, zeros } from '../../lib';
import { DTYPES } from '../../lib/tree/dtype';
import { bytesOf, expectSameBytes } from '../helpers/bits';
import { failureOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';
import { fillRandom } from '../helpers/random';

const newFolder = temporaryFolders();

type Trees = Record<string, Tensor>;

const SHAPES = { w: [3, 4], b: [5] };

function trees(seed: number): Trees {
  const made = Object.fromEntries(
    DTYPES.flatMap((dtype) =>
      Object.entries(zeros(SHAPES, dtype)).map(([key, tensor]) => [`${dtype}-${key}`, tensor as Tensor] as const),
    ),
  );
  Object.values(made).forEach(({ dtype, data }, i) => {
    fillRandom(dtype, data, seed + i, false);
  });
  return made;
}

const OPTIONS: SGDOptions = {
  momentum: 0.9,
  dampening: 0.2,
  firstStep: 'torch',
  masterWeights: true,
  emaDecay: 0.9,
  clipValue: 0.5,
  device: 'cpu',
};

/** Two micro-steps and a step, from `first` to before `last`: micro-steps have odd numbers too. */
function train(optimizer: SGD, parameters: Trees, first: number, last: number): void {
  for (let i = first; i < last; i++) {
    if (i % 3 < 2) optimizer.accumulate(trees(100 * i));
    else optimizer.update(parameters as never, trees(100 * i) as never);
  }
}

function expectSame(a: { optimizer: SGD; parameters: Trees }, b: { optimizer: SGD; parameters: Trees }): void {
  const rows = [
    [a.parameters, b.parameters],
    [a.optimizer.state.parameters, b.optimizer.state.parameters],
    [a.optimizer.averages, b.optimizer.averages],
  ] as const;
  for (const [mine, others] of rows) {
    expect(JSON.stringify(mine)).toBe(JSON.stringify(others));
  }
  expect(a.optimizer.step).toBe(b.optimizer.step);
  expect(a.optimizer.state.accumulated).toBe(b.optimizer.state.accumulated);
}

/** How a state gets from one process to the next. */
const WAYS = {
  'a file, into an optimizer without a tree': (from: SGD, to: SGD) => {
    to.fromBytes(from.toBytes());
  },
  'a file, into one that has stepped': (from: SGD, to: SGD) => {
    train(to, trees(7), 0, 5);
    to.fromBytes(from.toBytes());
  },
  'a state, into an optimizer without a tree': (from: SGD, to: SGD) => {
    to.state = from.state;
  },
  'a state, into one that has stepped': (from: SGD, to: SGD) => {
    train(to, trees(7), 0, 5);
    to.state = from.state;
  },
  'a cloned state': (from: SGD, to: SGD) => {
    to.state = clone(from.state);
  },
};

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])('%s', (way) => {
  // 4 and 5 are in the middle of an accumulation; 1 and 2 before the first step.
  // A state that lacks velocities is another tree's, for an optimizer that has some.
  const first = way === 'a state, into one that has stepped' ? 3 : 1;
  test.each([1, 2, 3, 4, 5, 6].slice(first - 1))('goes on to the same bits from micro-step %p', (stop) => {
    const whole = { optimizer: new SGD(0.1, OPTIONS), parameters: trees(1) };
    train(whole.optimizer, whole.parameters, 0, stop);
    const resumed = { optimizer: new SGD(0.1, OPTIONS), parameters: clone(whole.parameters) };
    WAYS[way](whole.optimizer, resumed.optimizer);
    expectSame(resumed, whole);
    train(whole.optimizer, whole.parameters, stop, 12);
    train(resumed.optimizer, resumed.parameters, stop, 12);
    expectSame(resumed, whole);
  });
});

const brain = (): { w: Tensor<'bfloat16'> } => {
  const tree = zeros({ w: [2] }, 'bfloat16');
  tree.w.data.fill(0x3f80);
  return tree;
};

const ones = (): { w: Float32Array } => ({ w: Float32Array.of(1, 1) });

const kept = (optimizer: SGD): Record<keyof LeafState, Tensor> =>
  (optimizer.state.parameters as Record<string, never>)['w'];

/** An optimizer with masters whose master is not its parameter's number. */
function withMasters(options: SGDOptions = {}): { optimizer: SGD; parameters: { w: Tensor<'bfloat16'> } } {
  const optimizer = new SGD(2 ** -12, { masterWeights: true, momentum: 0.5, device: 'cpu', ...options });
  const parameters = brain();
  optimizer.update(parameters, ones());
  return { optimizer, parameters };
}

test('a file without any master loads strictly: masters are widened from the parameters', () => {
  const plain = new SGD(2 ** -12, { momentum: 0.5, device: 'cpu' });
  const parameters = brain();
  plain.update(parameters, ones());
  const { optimizer, parameters: own } = withMasters();
  expect(kept(optimizer).master.data[0]).toBe(1 - 2 ** -12);
  const bytes = plain.toBytes({ parameters });
  optimizer.fromBytes(bytes, { parameters: own });
  expect(kept(optimizer).master).toBeUndefined();
  optimizer.update(own, { w: Float32Array.of(0, 0) });
  expect(kept(optimizer).v.dtype).toBe('float32');
  // One step from 1 with the loaded velocity of 1.
  expect(kept(optimizer).master.data[0]).toBe(1 - 2 ** -13);
});

test('a file with some but not all masters is a difference', () => {
  const options: SGDOptions = { masterWeights: true, device: 'cpu' };
  const [all, some] = [new SGD(1, options), new SGD(1, options)];
  const parameters = { a: brain().w, b: brain().w };
  all.update(parameters, { a: ones().w, b: ones().w });
  some.update(parameters, { a: ones().w });
  const { differences } = failureOf(() => all.fromBytes(some.toBytes())) as never as { differences?: unknown };
  expect(failureOf(() => all.fromBytes(some.toBytes()))).toMatchObject({
    code: 'file-mismatch',
    message: expect.stringContaining('state.parameters.b.master: missing') as string,
  });
  expect(differences).toBeUndefined();
});

test('a 16-bit velocity loads into a float32 one, and the other way is a difference', () => {
  const plain = new SGD(1, { momentum: 0.5, device: 'cpu' });
  const parameters = brain();
  plain.update(parameters, ones());
  const { optimizer, parameters: own } = withMasters();
  optimizer.fromBytes(plain.toBytes());
  optimizer.update(own, { w: Float32Array.of(0, 0) });
  expect(kept(optimizer).v.data).toEqual(Float32Array.of(0.5, 0.5));
  expect(failureOf(() => plain.fromBytes(withMasters().optimizer.toBytes()))).toMatchObject({
    code: 'file-mismatch',
    message: expect.stringContaining('state.parameters.w.v: expected bfloat16, received float32') as string,
  });
});

test('what the optimizer has no use for is a difference, in files and in states', () => {
  const from = new SGD(1, { masterWeights: true, emaDecay: 0.5, device: 'cpu' });
  from.update(brain(), ones());
  for (const hasStepped of [false, true]) {
    const to = new SGD(1, { device: 'cpu' });
    if (hasStepped) to.update(brain(), ones());
    const failure = failureOf(() => to.fromBytes(from.toBytes()));
    expect(failure.message).toContain('state.parameters.w.master: extra');
    expect(failure.message).toContain('state.parameters.w.ema: extra');
  }
  const to = new SGD(1, { device: 'cpu' });
  to.update(brain(), ones());
  const { message } = failureOf(() => (to.state = from.state));
  expect(message).toContain('state.parameters.w.master: extra');
  expect(message).toContain('state.parameters.w.ema: extra');
});

test('an average that the file lacks starts anew, one that the file has lost is a difference', () => {
  const plain = new SGD(1, { device: 'cpu' });
  const parameters = { w: Float32Array.of(1), b: Float32Array.of(1) };
  plain.update(parameters, { w: Float32Array.of(0), b: Float32Array.of(0) });
  const optimizer = new SGD(1, { emaDecay: 0.5, device: 'cpu' });
  optimizer.update(parameters, { w: Float32Array.of(0), b: Float32Array.of(0) });
  optimizer.fromBytes(plain.toBytes());
  expect(optimizer.averages).toEqual({ w: {}, b: {} });
  optimizer.update(parameters, { w: Float32Array.of(-1), b: Float32Array.of(-1) });
  expect(optimizer.averages).toEqual({ w: Float32Array.of(2), b: Float32Array.of(2) });
  const bytes = Buffer.from(optimizer.toBytes());
  const lost = Buffer.from(bytes.toString('latin1').replace('"b.ema"', '"b.eme"'), 'latin1');
  const message = expect.stringContaining('state.parameters.b.ema: missing') as string;
  expect(failureOf(() => optimizer.fromBytes(lost))).toMatchObject({ code: 'file-mismatch', message });
});

test('sums without their number, and a number without sums, are no file and no state', () => {
  const optimizer = new SGD(1, { device: 'cpu' });
  optimizer.accumulate(ones());
  const text = Buffer.from(optimizer.toBytes()).toString('latin1');
  expect(text).toContain('"metal-sgd.accumulated":"1"');
  const without = Buffer.from(text.replace('"metal-sgd.accumulated":"1"', '"metal-sgd.accumulatee":"1"'), 'latin1');
  expect(failureOf(() => new SGD(1).fromBytes(without))).toMatchObject({ code: 'invalid-file' });
  const { accumulated, ...state } = optimizer.state;
  expect(accumulated).toBe(1);
  for (const wrong of [state, { ...state, accumulated: 0 }, { ...state, parameters: {}, accumulated: 3 }])
    expect(failureOf(() => (new SGD(1).state = wrong))).toMatchObject({ code: 'invalid-state' });
});

test('loading ends an accumulation that the file does not have', () => {
  const [optimizer, parameters] = [new SGD(-1, { device: 'cpu' }), ones()];
  optimizer.update(parameters, ones());
  const bytes = optimizer.toBytes();
  optimizer.accumulate({ w: Float32Array.of(100, 100) });
  optimizer.fromBytes(bytes);
  optimizer.update(parameters, ones());
  expect(parameters.w).toEqual(Float32Array.of(3, 3));
});

test('a file of velocities alone has the bytes that it always had', () => {
  const optimizer = new SGD(0.5, { momentum: 0.5, device: 'cpu' });
  optimizer.update({ w: Float32Array.of(1) }, { w: Float32Array.of(1) });
  const header = Buffer.from(optimizer.toBytes()).toString('latin1');
  expect(header).toContain('"metal-sgd.velocities":"1"');
  expect(header).not.toMatch(/masters|averages|sums|accumulated/);
});

test('a failed load changes nothing', () => {
  const { optimizer } = withMasters({ emaDecay: 0.5 });
  optimizer.accumulate(ones());
  const before = Buffer.from(optimizer.toBytes());
  const other = new SGD(1, { momentum: 0.5, device: 'cpu' });
  other.update({ x: Float32Array.of(1) }, { x: Float32Array.of(1) });
  expect(failureOf(() => optimizer.fromBytes(other.toBytes()))).toMatchObject({ code: 'file-mismatch' });
  expect(failureOf(() => (optimizer.state = other.state))).toMatchObject({ code: 'state-mismatch' });
  expectSameBytes(Buffer.from(optimizer.toBytes()), bytesOf(before), 'the state');
});

test.each([true, false])('a save behind the first step has what that makes (snapshot %p)', async (snapshot) => {
  const parameters = zeros({ w: 3 });
  const gradients = zeros({ w: 3 });
  gradients.w.data.fill(1);
  const options: SGDOptions = { momentum: 0.5, firstStep: 'torch', emaDecay: 0.5, device: 'cpu' };
  const optimizer = new SGD(1, options);
  const path = join(newFolder(), 'first.safetensors');
  const step = optimizer.updateAsync(parameters, gradients);
  await Promise.all([step, optimizer.save(path, { snapshot })]);
  const resumed = new SGD(1, options);
  await resumed.load(path);
  expect(JSON.stringify(resumed.state)).toBe(JSON.stringify(optimizer.state));
  expect(JSON.stringify(resumed.averages)).toBe(JSON.stringify(optimizer.averages));
});

test('a frozen 16-bit leaf has no master, and the file loads strictly', () => {
  const parameters = { a: brain().w, b: brain().w };
  const options: SGDOptions = { masterWeights: true, trainable: /a/, device: 'cpu' };
  const optimizer = new SGD(0.1, options);
  optimizer.update(parameters, { a: ones().w, b: ones().w });
  const bytes = optimizer.toBytes({ parameters });
  for (const to of [optimizer, new SGD(0.1, options)]) {
    to.fromBytes(bytes, { parameters });
    expect(Buffer.compare(to.toBytes({ parameters }), bytes)).toBe(0);
  }
});

test('a load with parameters whose slots move finds no memory twice', () => {
  const parameters = brain();
  const bytes = new SGD(1, { device: 'cpu' }).toBytes({ parameters });
  const optimizer = new SGD(1, { device: 'cpu' });
  optimizer.accumulate(brain());
  optimizer.fromBytes(bytes, { parameters });
  expect(optimizer.state.accumulated).toBeUndefined();
});

test('a fresh optimizer takes no state that it has no use for', () => {
  const from = new SGD(1, { masterWeights: true, emaDecay: 0.5, device: 'cpu' });
  from.update(brain(), ones());
  const { message } = failureOf(() => (new SGD(1, { device: 'cpu' }).state = from.state));
  expect(message).toContain('state.parameters.w.master: extra');
  expect(message).toContain('state.parameters.w.ema: extra');
});

test('sums that fit nowhere are not counted', () => {
  const from = new SGD(-1, { device: 'cpu' });
  from.accumulate({ w: Float32Array.of(1, 1) });
  const optimizer = new SGD(-1, { momentum: 0.5, device: 'cpu' });
  const parameters = { w: new Float32Array(3) };
  optimizer.update(parameters, { w: new Float32Array(3) });
  optimizer.fromBytes(from.toBytes(), { strict: false });
  expect(optimizer.state.accumulated).toBeUndefined();
});

test('a file with nothing but parts of no use loads into an empty optimizer without strict', () => {
  const optimizer = new SGD(1, { emaDecay: 0.9 });
  optimizer.update({ w: Float32Array.of(1) }, { w: Float32Array.of(1) });
  const empty = new SGD(1);
  const { differences } = empty.fromBytes(optimizer.toBytes(), { strict: false });
  expect(differences.map(({ kind }) => kind)).toEqual(['extra']);
  expect([empty.step, empty.state.parameters]).toEqual([1, { w: {} }]);
});
