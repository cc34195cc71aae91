// Stopping and going on: 2N steps are N, a file, a new process and N more, to the bit, for every dtype and option.
import { join } from 'node:path';
import {
  clone,
  type Leaf,
  loadTensors,
  saveTensors,
  type Schedule,
  SGD,
  type SGDOptions,
  type Tensor,
  zeros,
} from '../../lib';
import { type Dtype, DTYPES } from '../../lib/tree/dtype';
import { expectSameBytes } from '../helpers/bits';
import { type Lab, resultOf } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { dataOf } from '../helpers/leaves';
import { fillRandom } from '../helpers/random';

const N = 4;

interface Case {
  readonly dtype: Dtype;
  readonly options: SGDOptions;
  /** A number, or the peak of a schedule. */
  readonly rate: number;
  readonly isScheduled: boolean;
}

type Model = Record<string, Tensor>;

const OPTIONS: readonly SGDOptions[] = [
  {},
  { weightDecay: 0.01 },
  { momentum: 0.9 },
  { momentum: 0.9, dampening: 0.3, weightDecay: 1e-4 },
  { momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
];

// Metal has no double.
const dtypes = DTYPES.filter((dtype) => dtype !== 'float64' || process.env['METAL_SGD_DEVICE'] !== 'gpu');
const cases = dtypes.flatMap((dtype) =>
  OPTIONS.flatMap((options) => [false, true].map((isScheduled): Case => ({ dtype, options, rate: 0.1, isScheduled }))),
);

const rateOf = ({ rate, isScheduled }: Case): number | Schedule => (isScheduled ? (step) => rate / (1 + step) : rate);

function randomModel(dtype: Dtype, seed: number): Model {
  const model = zeros({ weight: [33, 5], bias: [7], step: [1] }, dtype);
  Object.values(model).forEach(({ data }, i) => {
    fillRandom(dtype, data, seed + i, false);
  });
  return model;
}

/** In a new process: loads, takes the other half of the steps, saves. */
function goOn(
  { sgd }: Lab,
  { folder, cases: all, steps }: { folder: string; cases: Case[]; steps: number },
): Promise<number> {
  const one = async ({ options, rate, isScheduled }: Case, i: number): Promise<void> => {
    const { tree } = await sgd.loadTensors<readonly Model[]>(`${folder}/gradients-${String(i)}.safetensors`);
    const parameters = sgd.zerosLike(tree[0]);
    const optimizer = new sgd.SGD(isScheduled ? (step) => rate / (1 + step) : rate, options);
    const path = `${folder}/half-${String(i)}.safetensors`;
    await optimizer.load(path, { parameters });
    for (const gradients of tree.slice(steps)) optimizer.update(parameters, gradients);
    await optimizer.save(path, { parameters });
  };
  return Promise.all(all.map(one)).then(() => all.length);
}

test('a new process resumes to the same bits', async () => {
  const folder = temporary();
  const wholes: { optimizer: SGD; parameters: Model }[] = [];
  for (const [i, given] of cases.entries()) {
    const gradients = Array.from({ length: 2 * N }, (_, step) => randomModel(given.dtype, 100 * i + 10 * step));
    await saveTensors(join(folder, `gradients-${String(i)}.safetensors`), gradients);
    const parameters = randomModel(given.dtype, i);
    const optimizer = new SGD(rateOf(given), given.options);
    for (const one of gradients.slice(0, N)) optimizer.update(parameters, one);
    await optimizer.save(join(folder, `half-${String(i)}.safetensors`), { parameters });
    for (const one of gradients.slice(N)) optimizer.update(parameters, one);
    wholes.push({ optimizer, parameters });
  }
  expect(resultOf(goOn, { folder, cases, steps: N })).toBe(cases.length);
  for (const [i, { optimizer, parameters }] of wholes.entries()) {
    const path = join(folder, `half-${String(i)}.safetensors`);
    const resumed = new SGD(rateOf(cases[i]), cases[i].options);
    await resumed.load(path);
    const { tree } = await loadTensors<Model>(path, { prefix: 'parameters' });
    const what = JSON.stringify(cases[i]);
    expect([what, resumed.step, resumed.learningRate]).toEqual([what, 2 * N, optimizer.learningRate]);
    for (const name of Object.keys(parameters)) {
      expectSameBytes(tree[name].data, parameters[name].data, `${what} ${name}`);
      const [v, expected] = [resumed, optimizer].map(
        (one) => (one.state.parameters as Partial<Record<string, { v?: Leaf }>>)[name],
      );
      expect([what, v?.v === undefined]).toEqual([what, expected?.v === undefined]);
      if (v?.v && expected?.v) expectSameBytes(dataOf(v.v), dataOf(expected.v), `${what} v of ${name}`);
    }
  }
});

const temporary = temporaryFolders();

test('a used optimizer steps from the state that it loads', async () => {
  const path = join(temporary(), 'state.safetensors');
  const parameters = randomModel('float32', 1);
  const gradients = randomModel('float32', 2);
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  optimizer.update(parameters, gradients);
  const before = clone(parameters);
  await optimizer.save(path, { parameters });
  optimizer.update(parameters, gradients);
  const expected = clone(parameters);
  optimizer.update(parameters, gradients); // the plan of these trees is kept
  await optimizer.load(path, { parameters });
  expectSameBytes(parameters['weight'].data, before['weight'].data, 'loaded');
  optimizer.update(parameters, gradients);
  expect(optimizer.step).toBe(2);
  for (const name of Object.keys(parameters)) expectSameBytes(parameters[name].data, expected[name].data, name);
});
