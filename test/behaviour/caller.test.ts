// The stack of an error that an argument deserves begins at the line of the caller.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sgd from '../../lib';
import { CheckpointDirectory, SGD } from '../../lib';

const BAD = { a: [{ b: { c: [{ d: 'no leaf' }] } }] } as never;
const good = { w: Float32Array.of(1) };
const NO_FILE = join(tmpdir(), 'metal-sgd-no-such-folder', 'no-such-file');
const optimizer = new SGD(0.1, { momentum: 0.9 });
optimizer.update(good, { w: Float32Array.of(1) });

/** Every public function, with an argument that it refuses. */
const CALLS: Record<string, () => unknown> = {
  'new SGD': () => new SGD('fast' as never),
  'new SGD, an option': () => new SGD(1, { momentum: Number.NaN }),
  'new CheckpointDirectory': () => new CheckpointDirectory('x', { keep: 0 }),
  zeros: () => sgd.zeros(BAD),
  'zeros, a dtype': () => sgd.zeros(1, 'int8' as never),
  zerosLike: () => sgd.zerosLike(BAD),
  'zerosLike, a dtype': () => sgd.zerosLike(good, 'int8' as never),
  assign: () => sgd.assign(good, BAD),
  clone: () => sgd.clone({ a: [{ b: [() => 1] }] }),
  toBytes: () => sgd.toBytes(BAD),
  fromBytes: () => sgd.fromBytes(new Uint8Array(3)),
  saveTensors: () => sgd.saveTensors(NO_FILE, BAD),
  'saveTensors, the disk': () => sgd.saveTensors(NO_FILE, good),
  loadTensors: () => sgd.loadTensors(5 as never),
  'loadTensors, the disk': () => sgd.loadTensors(NO_FILE),
  'loadTensors, the file': () => sgd.loadTensors(__filename),
  torchState: () => sgd.torchState({ step: -1 }),
  cosineDecay: () => sgd.cosineDecay(1, 0),
  exponentialDecay: () => sgd.exponentialDecay(1, Number.NaN),
  joinSchedules: () => sgd.joinSchedules([], []),
  linearSchedule: () => sgd.linearSchedule(1, 0, 0),
  stepDecay: () => sgd.stepDecay(1, 1, 0),
  init: () => {
    new SGD(1).init(BAD);
  },
  initSingle: () => {
    optimizer.initSingle(BAD, {});
  },
  applySingle: () => optimizer.applySingle(BAD, good.w, {}),
  applyGradients: () => optimizer.applyGradients(BAD, good),
  update: () => {
    optimizer.update(good, BAD);
  },
  updateAsync: () => optimizer.updateAsync(good, BAD),
  'updateAsync, plain memory': () => optimizer.updateAsync(good, { w: Float32Array.of(1) }),
  between: () => optimizer.between(5 as never),
  accumulate: () => {
    optimizer.accumulate(BAD);
  },
  meanOf: () => sgd.meanOf(),
  globalNorm: () => sgd.globalNorm(BAD),
  joinWorld: () => sgd.joinWorld({ timeout: -1 }),
  'World.broadcast': async () => (await sgd.joinWorld()).broadcast(BAD),
  'World.averageGradients': async () => (await sgd.joinWorld()).averageGradients(BAD),
  'update, an option': () => {
    optimizer.update(good, good, 0.5 as never);
  },
  'between, a promise': () => optimizer.between(() => Promise.resolve() as never),
  save: () => optimizer.save(5 as never),
  'save, the disk': () => optimizer.save(NO_FILE),
  load: () => optimizer.load(5 as never),
  'load, the disk': () => optimizer.load(NO_FILE),
  'SGD.toBytes': () => optimizer.toBytes({ parameters: BAD }),
  'SGD.fromBytes': () => optimizer.fromBytes(new Uint8Array(3)),
  'CheckpointDirectory.save': () => new CheckpointDirectory(NO_FILE).save(optimizer, { parameters: BAD }),
  'CheckpointDirectory.load': () => new CheckpointDirectory('x').load(optimizer, { strict: 1 } as never),
  trainable: () => (optimizer.trainable = 5 as never),
  step: () => (optimizer.step = -1),
  learningRate: () => (optimizer.learningRate = Number.NaN),
  momentum: () => (optimizer.momentum = Number.NaN),
  weightDecay: () => (optimizer.weightDecay = Number.NaN),
  dampening: () => (optimizer.dampening = Number.NaN),
  nesterov: () => (optimizer.nesterov = 1 as never),
  maximize: () => (optimizer.maximize = 1 as never),
  clipValue: () => (optimizer.clipValue = 0),
  maxNorm: () => (optimizer.maxNorm = -1),
  nonFinite: () => (optimizer.nonFinite = 'stop' as never),
  lossScale: () => (optimizer.lossScale = 2),
  emaDecay: () => (optimizer.emaDecay = 2),
  firstStep: () => (optimizer.firstStep = 'keras' as never),
  state: () => (optimizer.state = BAD),
};

async function failureOf(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

function expectCaller(error: Error): void {
  const [first] = /^ {4}at .*$/m.exec(error.stack ?? '') ?? [];
  expect(first).toContain(__filename);
  expect(error.stack).toMatch(new RegExp(`^(${error.name}|Error).*`));
  expect(error.stack).toContain(error.message);
}

test.each(Object.keys(CALLS))('%s', async (name) => {
  expectCaller(await failureOf(CALLS[name]));
});

test('every function and class of the package is here', async () => {
  const functions = Object.entries(sgd).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
  const world = Object.getPrototypeOf(await sgd.joinWorld()) as object;
  const methods = [SGD.prototype, CheckpointDirectory.prototype, world].flatMap((prototype) =>
    Object.keys(Object.getOwnPropertyDescriptors(prototype)),
  );
  // These take nothing that could be wrong.
  const without = [
    'constructor',
    'devices',
    'nodeMlxState',
    'MetalError',
    'newest',
    'device',
    'lastRun',
    'pending',
    'toJSON',
    'groups',
    'masterWeights',
    'averages',
    'world',
    'barrier',
    'leave',
    'discardAccumulated',
    'GradientMean',
  ];
  const called = Object.keys(CALLS).flatMap((name) => name.split(',', 1)[0].replace(/^new /, '').split('.').slice(-1));
  expect(new Set([...called, ...without])).toEqual(new Set([...functions, ...methods, ...without]));
});

test('busy, from a method and from a getter', async () => {
  const tree = sgd.zeros({ w: 1000 });
  const pending = optimizer.updateAsync(tree, sgd.zerosLike(tree)).catch(() => undefined);
  const one = new SGD(1);
  const step = one.updateAsync(tree, sgd.zerosLike(tree));
  expectCaller(
    await failureOf(() => {
      one.update(tree, tree);
    }),
  );
  expectCaller(await failureOf(() => one.state));
  await Promise.all([pending, step]);
});

test('the error of a schedule keeps its own stack', async () => {
  function schedule(): number {
    throw new RangeError('mine');
  }
  const { stack } = await failureOf(() => {
    new SGD(schedule).update(good, { w: Float32Array.of(1) });
  });
  expect(stack).toMatch(/^RangeError: mine\n {4}at schedule /);
});
