// Saving and loading beside steps: what waits for what, what is busy meanwhile, and what is in the file.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clone, loadTensors, SGD, type Tensor, zeros } from '../../lib';
import { expectSameBytes } from '../helpers/bits';
import { failureOf, rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const SIZE = 1 << 20;

interface Model {
  a: Tensor<'float32'>;
}

function model(): { optimizer: SGD; parameters: Model; gradients: Model; path: string } {
  const optimizer = new SGD(1, { momentum: 0.5 });
  const [parameters, gradients] = [zeros({ a: [SIZE] }), zeros({ a: [SIZE] })];
  gradients.a.data.fill(1);
  return { optimizer, parameters, gradients, path: join(newFolder(), 'state.safetensors') };
}

/** The step and the parameter that a file holds; fails unless the parameter is the same everywhere. */
async function contentOf(path: string): Promise<{ step: number; value: number }> {
  const { tree } = await loadTensors<Model>(path, { prefix: 'parameters' });
  const optimizer = new SGD(1, { momentum: 0.5 });
  await optimizer.load(path);
  const [value] = tree.a.data;
  expect(tree.a.data.every((one) => one === value)).toBe(true);
  return { step: optimizer.step, value };
}

/** The parameter after steps of gradient 1 with rate 1 and momentum 0.5. */
function after(steps: number): number {
  let [w, v] = [0, 0];
  for (let i = 0; i < steps; i++) w -= v = 0.5 * v + 1;
  return w;
}

test.each([false, true])(
  'a save holds the steps called before it and none called after it (snapshot: %p)',
  async (snapshot) => {
    const { optimizer, parameters, gradients, path } = model();
    const all = [optimizer.updateAsync(parameters, gradients), optimizer.updateAsync(parameters, gradients)];
    const saved = optimizer.save(path, { parameters, snapshot });
    all.push(optimizer.updateAsync(parameters, gradients), optimizer.updateAsync(parameters, gradients));
    expect(await saved).toBe(path);
    expect(await contentOf(path)).toEqual({ step: 2, value: after(2) });
    await Promise.all(all);
    expect([optimizer.step, parameters.a.data[0]]).toEqual([4, after(4)]);
  },
);

test('a pending save makes other calls throw busy, and asynchronous steps wait for it', async () => {
  const { optimizer, parameters, gradients, path } = model();
  optimizer.update(parameters, gradients);
  const saved = optimizer.save(path, { parameters });
  const calls: (() => unknown)[] = [
    () => {
      optimizer.update(parameters, gradients);
    },
    () => optimizer.state,
    () => (optimizer.momentum = 0.1),
    () => optimizer.toBytes(),
    () => optimizer.fromBytes(new Uint8Array(0)),
  ];
  const messages = calls.map((call) => {
    const { code, message } = failureOf(call);
    expect(code).toBe('busy');
    return message;
  });
  expect(messages[0]).toBe('update: a save is still being written; await it first');
  expect((await rejectionOf(optimizer.load(path))).code).toBe('busy');
  expect(optimizer.step).toBe(1);
  const order: string[] = [];
  const stepped = optimizer.updateAsync(parameters, gradients).then(() => order.push('step'));
  await saved.then(() => order.push('save'));
  await stepped;
  expect(order).toEqual(['save', 'step']);
  optimizer.update(parameters, gradients);
  expect(await contentOf(path)).toEqual({ step: 1, value: after(1) });
});

test('a snapshot lets steps continue at once, and the file holds the values at the call', async () => {
  const { optimizer, parameters, gradients, path } = model();
  optimizer.update(parameters, gradients);
  const saved = optimizer.save(path, { parameters, snapshot: true });
  optimizer.update(parameters, gradients);
  parameters.a.data.fill(77);
  await saved;
  expect(await contentOf(path)).toEqual({ step: 1, value: after(1) });
});

test('the later of two saves to one path wins, and a path may depend on the step', async () => {
  const { optimizer, parameters, gradients, path } = model();
  const name = (step: number): string => `${path}.${String(step)}`;
  const step = optimizer.updateAsync(parameters, gradients);
  const saves = [
    optimizer.save(path, { parameters, snapshot: true }),
    optimizer.save(name, { parameters, snapshot: true }),
  ];
  await step;
  optimizer.update(parameters, gradients);
  saves.push(optimizer.save(path, { parameters, snapshot: true }));
  expect(await Promise.all(saves)).toEqual([path, name(1), path]);
  expect(await contentOf(path)).toEqual({ step: 2, value: after(2) });
  expect((await contentOf(name(1))).step).toBe(1);
});

test('a failed save lets the steps behind it run', async () => {
  const { optimizer, parameters, gradients, path } = model();
  const failed = optimizer.save(join(path, 'missing', 'file'), { parameters });
  const stepped = optimizer.updateAsync(parameters, gradients);
  const { code, message } = await rejectionOf(failed);
  expect([code, message.startsWith(`${join(path, 'missing', 'file')}: ENOENT`)]).toEqual(['ENOENT', true]);
  await stepped;
  expect(optimizer.step).toBe(1);
});

test('save and load reject wrong arguments at once and leave nothing pending', async () => {
  const { optimizer, parameters, gradients } = model();
  expect((await rejectionOf(optimizer.save(3 as never))).message).toBe(
    'path: expected a string or a file URL, received 3',
  );
  expect((await rejectionOf(optimizer.save('', {}))).code).toBe('invalid-option');
  expect((await rejectionOf(optimizer.save('x', { snapshots: true } as never))).code).toBe('invalid-option');
  expect((await rejectionOf(optimizer.save(() => 7 as never))).code).toBe('invalid-option');
  expect((await rejectionOf(optimizer.load(7 as never))).code).toBe('invalid-option');
  optimizer.update(parameters, gradients);
});

test('a pending load makes every call throw busy, steps and saves included', async () => {
  const { optimizer, parameters, gradients, path } = model();
  optimizer.update(parameters, gradients);
  await optimizer.save(path, { parameters });
  const loaded = optimizer.load(path, { parameters });
  expect(failureOf(() => optimizer.state)).toMatchObject({
    code: 'busy',
    message: 'state: a load is still running; await it first',
  });
  expect((await rejectionOf(optimizer.updateAsync(parameters, gradients))).code).toBe('busy');
  expect((await rejectionOf(optimizer.save(path))).code).toBe('busy');
  expect((await rejectionOf(optimizer.load(path))).code).toBe('busy');
  await loaded;
  optimizer.update(parameters, gradients);
  expect(optimizer.step).toBe(2);
});

test('load rejects while steps are pending', async () => {
  const { optimizer, parameters, gradients, path } = model();
  const stepped = optimizer.updateAsync(parameters, gradients);
  expect((await rejectionOf(optimizer.load(path))).message).toBe(
    'load: 1 asynchronous step is still pending; await it first',
  );
  await stepped;
});

test('a schedule counts pending steps, not pending saves', async () => {
  const { parameters, gradients, path } = model();
  const asked: number[] = [];
  const optimizer = new SGD((step) => {
    asked.push(step);
    return 1;
  });
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < 3; i++) all.push(optimizer.updateAsync(parameters, gradients), optimizer.save(path));
  await Promise.all(all);
  expect(asked).toEqual([0, 0, 1, 2]);
});

test('a save fails and keeps the old file if an array is detached at once', async () => {
  const path = join(newFolder(), 'state.safetensors');
  const optimizer = new SGD(1);
  const parameters = { a: new Float32Array(SIZE) };
  await optimizer.save(path, { parameters });
  const before = readFileSync(path);
  const saved = optimizer.save(path, { parameters });
  structuredClone(parameters.a, { transfer: [parameters.a.buffer] });
  expect(await rejectionOf(saved)).toMatchObject({ name: 'TypeError', code: 'detached' });
  expectSameBytes(readFileSync(path), before, 'the old file');
});

test('a save fails if an array is detached later', async () => {
  const path = join(newFolder(), 'state.safetensors');
  const parameters = { a: new Float32Array(64 * SIZE), b: new Float32Array(SIZE) };
  const saved = rejectionOf(new SGD(1).save(path, { parameters }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  structuredClone(parameters.b, { transfer: [parameters.b.buffer] });
  expect((await saved).code).toBe('detached');
  expect(existsSync(path)).toBe(false);
});

test('a load fails if an array is detached meanwhile', async () => {
  const path = join(newFolder(), 'state.safetensors');
  const parameters = { a: new Float32Array(SIZE) };
  await new SGD(1).save(path, { parameters });
  const loaded = new SGD(1).load(path, { parameters });
  structuredClone(parameters.a, { transfer: [parameters.a.buffer] });
  expect(await rejectionOf(loaded)).toMatchObject({ name: 'TypeError', code: 'detached' });
});

test('save and load treat ordinary and shared memory alike, for many leaves', async () => {
  const path = join(newFolder(), 'state.safetensors');
  mkdirSync(join(path, '..'), { recursive: true });
  const ordinary = Array.from({ length: 1500 }, (_, i) => new Float32Array(1 + ((i * 37) % 20_000)).fill(i));
  const shared = clone(ordinary);
  const optimizer = new SGD(1);
  for (const [parameters, other] of [
    [ordinary, shared],
    [shared, ordinary],
  ]) {
    await optimizer.save(path, { parameters });
    for (const one of other) one.fill(-1);
    await optimizer.load(path, { parameters: other });
    expect(other.every((one, i) => one.every((value) => value === i))).toBe(true);
  }
  expect(existsSync(path)).toBe(true);
});
