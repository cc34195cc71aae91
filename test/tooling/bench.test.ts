// The benchmarks work, and every contestant computes the same; no time is asserted.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agree } from '../../bench/agreement';
import { narrowBfloat16, narrowFloat16, wideningTable } from '../../bench/half';
import type { Results } from '../../bench/results';
import { pairedRatios, summarize } from '../../bench/statistics';
import { fill, someValues } from '../../bench/values';
import { bench, buildBench, MAIN, resultsIn } from '../helpers/bench';
import { resultsWith, seriesOf } from '../helpers/benchResults';
import { ROOT, runNode } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { BFLOAT16, FLOAT16, narrow, widen } from '../helpers/half';

const folder = temporaryFolders()();

beforeAll(buildBench);

test('a smoke run measures what is known, says what is not, and prints no escape codes in a pipe', () => {
  const path = join(folder, 'smoke.json');
  const run = bench('--smoke', '--models', 'leaf-1000,resnet51', '--dtypes', 'bfloat16,int8', '--json', path);
  expect(run.status).toBe(0);
  expect(run.stderr).toContain("bench: unknown model 'resnet51' is left out: known are leaf-25.6m, resnet50");
  expect(run.stderr).toContain("bench: unknown dtype 'int8' is left out");
  expect(run.stdout).toMatch(/^leaf-1000 bfloat16 momentum, 1 thread +metal-sgd .*us/m);
  // eslint-disable-next-line no-control-regex -- what is looked for
  expect(run.stdout + run.stderr).not.toMatch(/[\u001b\r]/);
  const { interrupted, results, machine, versions } = resultsIn(path);
  expect(interrupted).toBe(false);
  expect(machine).toMatchObject({ processors: expect.any(Number) as number, memory: expect.any(Number) as number });
  expect(versions).toMatchObject({ node: process.versions.node });
  expect(new Set(results.map(({ model }) => model))).toEqual(new Set(['leaf-1000']));
  for (const { series } of results) {
    expect(series.map(({ contestant }) => contestant)).toEqual(expect.arrayContaining(['metal-sgd', 'JavaScript']));
    for (const { samples } of series) expect(samples[0]).toBeGreaterThan(0);
  }
});

test('all contestants compute the same in every dtype, rule, layout and verb', () => {
  const path = join(folder, 'all.json');
  const run = bench(
    '--smoke',
    '--all',
    '--rounds',
    '1',
    '--models',
    'mlp',
    '--threads',
    '2',
    '--devices',
    'cpu',
    '--json',
    path,
  );
  expect(run.status).toBe(0);
  expect(run.stderr.trim().split('\n')).toEqual([
    expect.stringMatching(
      /^bench: metal-sgd plain updateAsync takes no part in .*: updateAsync takes shared memory only$/,
    ),
  ]);
  const { results } = resultsIn(path);
  const kinds = (kind: (result: Results['results'][number]) => string): string =>
    [...new Set(results.map(kind))].sort().join();
  expect(kinds(({ dtype }) => dtype)).toBe('bfloat16,float16,float32,float64');
  expect(kinds(({ rule }) => rule.name)).toBe('dampened,momentum,nesterov,plain');
  for (const { series } of results) {
    const agreeing = series.filter(({ agrees }) => agrees).map(({ contestant }) => contestant);
    expect(agreeing.sort()).toEqual([
      'C',
      'JavaScript',
      'metal-sgd',
      'metal-sgd applyGradients',
      'metal-sgd plain',
      'metal-sgd plain applyGradients',
      'metal-sgd shared',
      'metal-sgd shared applyGradients',
      'metal-sgd shared updateAsync',
      'metal-sgd updateAsync',
    ]);
  }
});

test("STREAM's triad runs beside large models, and computes what it should", () => {
  const path = join(folder, 'triad.json');
  const axes = ['--dtypes', 'float32', '--rules', 'plain', '--threads', '1', '--layouts', 'arena', '--verbs', 'update'];
  const run = bench('--smoke', '--models', 'leaf-1m', ...axes, '--against', 'c,triad', '--json', path);
  expect(run.status).toBe(0);
  const [{ elements, series }] = resultsIn(path).results;
  const byName = new Map(series.map((one) => [one.contestant, one]));
  expect([...byName.keys()]).toEqual(['metal-sgd', 'C', 'triad']);
  expect(byName.get('metal-sgd')?.bytes).toBe(12 * elements);
  expect(byName.get('triad')).toMatchObject({ agrees: true, bytes: 12 * elements });
});

test('features compute what C does, in the bytes that they are told to move', () => {
  const path = join(folder, 'features.json');
  const run = bench('--smoke', '--parts', 'features', '--threads', '2', '--json', path);
  expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
  const { results, metrics } = resultsIn(path);
  const told = results.map(({ model, rule, elements, series }) => [
    `${model} ${rule.name}`,
    ...series.map(({ contestant, agrees, bytes }) => `${contestant} ${String(agrees)} ${String(bytes / elements)}`),
  ]);
  expect(told).toEqual([
    ['leaf-100k mean of 4', 'metal-sgd true 32', 'metal-sgd accumulate true 56', 'C true 32'],
    ['leaf-100k masters', 'metal-sgd true 22', 'C true 22'],
    ['leaf-100k averages', 'metal-sgd true 28', 'C true 28'],
    ['leaf-100k clipped', 'metal-sgd true 24', 'C true 24'],
    ['leaf-100k finite test', 'metal-sgd true 24', 'C true 24'],
    ['list-161 mean of 4', 'metal-sgd true 32', 'C true 32'],
  ]);
  expect(metrics.map(({ name }) => name)).toEqual([
    'groups, speed relative to the same without, list-161',
    'perceptron, clipped, update above the same without',
    '1,000 leaves of 64, clipped, update above the same without',
    'mean of 4, speed relative to C',
    'masters, speed relative to C',
    'averages, speed relative to C',
    'clipped, speed relative to C',
    'mean of 4 made anew, update above C, per leaf and tree of five',
  ]);
});

test('with a GPU, its times are told, and over the simulator the calls of a step of each model', () => {
  const path = join(folder, 'gpu.json');
  // `npm test` has built it; a Mac has a GPU of its own.
  const isSimulated = process.platform !== 'darwin';
  const env = isSimulated ? { METAL_SGD_PREBUILD: join(ROOT, 'build-sim') } : {};
  const run = runNode<never>([...MAIN, '--smoke', '--parts', 'gpu', '--json', path], { env });
  expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
  const { metrics, machine } = resultsIn(path);
  const valueOf = (start: string): number | undefined => metrics.find(({ name }) => name.startsWith(start))?.value;
  expect(machine.simulated).toBe(isSimulated);
  expect(valueOf('first step on the GPU')).toBeGreaterThan(0);
  for (const who of ['GPU', 'GPU streaming kernel']) {
    for (const clock of ['the wall clock', "the GPU's clock"]) {
      expect(valueOf(`${who}, 65536 elements, by ${clock}`)).toBeGreaterThan(0);
    }
  }
  expect(valueOf('metal-sgd on the GPU, speed relative to the streaming kernel')).toBeGreaterThan(0);
  const counted = ['command buffers', 'encoders', 'dispatches', 'bytes copied', 'objects made besides', 'bytes made'];
  const found = counted.map((name) => valueOf(`one step of mlp (4 leaves): ${name}`));
  expect(found).toEqual(isSimulated ? [1, 1, 1, 0, 0, 0] : counted.map(() => undefined));
  if (isSimulated) expect(valueOf("one step of mlp (4 leaves): CPU time outside Metal's calls")).toBeGreaterThan(0);
});

test('two files of results are compared without measuring', () => {
  const [old, new_] = [100, 150].map((own, i) => {
    const path = join(folder, `compared-${String(i)}.json`);
    const samples = (nanoseconds: number): number[] => Array.from({ length: 11 }, (_, j) => nanoseconds + (j % 3) / 10);
    writeFileSync(
      path,
      JSON.stringify(resultsWith([seriesOf('metal-sgd', samples(own)), seriesOf('C', samples(100))])),
    );
    return path;
  });
  const { status, stdout } = bench('--compare', old, '--with', new_);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^compared with 2026-01-02T03:04:05.678Z, commit abc: 2 figures\n/);
  expect(stdout).toMatch(/^mlp float32 momentum 2: metal-sgd .*\+4[89]\.\d % /m);
});

test('16-bit floats are converted as they are defined', () => {
  for (const [dtype, format, toWord] of [
    ['float16', FLOAT16, narrowFloat16],
    ['bfloat16', BFLOAT16, narrowBfloat16],
  ] as const) {
    const table = wideningTable(dtype);
    const wrong = [...table.keys()].filter((word) => {
      const value = table[word];
      const between = Math.fround(value * 1.0005);
      const asDefined = Object.is(value, widen(word, format)) && toWord(between) === narrow(between, format);
      return Number.isNaN(value) ? !Number.isNaN(widen(word, format)) : !asDefined || toWord(value) !== word;
    });
    expect(wrong).toEqual([]);
  }
});

test('results that differ in a bit, or by more than roundings, do not agree', () => {
  const outcome = { hashes: [1, 2] as const, values: [1, -0.5] };
  expect(agree(outcome, { hashes: [1, 2] }, 'float32')).toBe(true);
  expect(agree(outcome, { hashes: [1, 3] }, 'float32')).toBe(false);
  expect(agree(outcome, { values: [1 + 2 ** -23, -0.5] }, 'float32')).toBe(true);
  expect(agree(outcome, { values: [1.00001, -0.5] }, 'float32')).toBe(false);
  expect(agree(outcome, { values: [1.00001, -0.5] }, 'float32', 2e-5)).toBe(true);
  expect(agree(outcome, { values: [1] }, 'float32')).toBe(false);
  expect(agree(outcome, { isRight: true }, 'float32')).toBe(true);
  expect(agree(outcome, { isRight: false }, 'float32')).toBe(false);
});

test('the first values are the same in every dtype, and exact', () => {
  const value = (dtype: 'float32' | 'float16' | 'bfloat16'): number[] => {
    const make = (): Float32Array | Uint16Array =>
      dtype === 'float32' ? new Float32Array(1000) : new Uint16Array(1000);
    const [parameters, gradients] = [[make()], [make()]];
    fill(parameters, gradients, dtype);
    return [...someValues(parameters, dtype), ...someValues(gradients, dtype)];
  };
  expect(new Set(value('float32')).size).toBeGreaterThan(20);
  expect(value('float16')).toEqual(value('float32'));
  expect(value('bfloat16')).toEqual(value('float32'));
});

test('quartiles and paired ratios', () => {
  expect(summarize([5, 1, 3, 2, 4])).toEqual({ median: 3, low: 2, high: 4, least: 1 });
  expect(summarize([1, 2]).median).toBe(1.5);
  expect(summarize([null, 4, null]).median).toBe(4);
  expect(pairedRatios([2, 9, null, 5, 1], [1, 3, 8, null])).toEqual([2, 3]);
});
