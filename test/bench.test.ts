// The benchmarks work, and every contestant computes the same; no time is asserted.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agree } from '../bench/agreement';
import { narrowBfloat16, narrowFloat16, wideningTable } from '../bench/half';
import { pairedRatios, summarize } from '../bench/statistics';
import { fill, someValues } from '../bench/values';
import { WORKS } from '../bench/works';
import { type Outcome as Ended, ROOT, runNode } from './helpers/child';
import { BFLOAT16, FLOAT16, narrow, widen } from './helpers/half';

let folder: string;

beforeAll(() => {
  const built = runNode([require.resolve('typescript/bin/tsc'), '-p', 'bench']);
  if (built.status !== 0) throw new Error(built.stdout);
  folder = mkdtempSync(join(tmpdir(), 'metal-sgd-bench-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const bench = (...args: readonly string[]): Ended<never> =>
  runNode(['--expose-gc', join(ROOT, 'bench', 'build', 'main.js'), ...args]);

interface Results {
  interrupted: boolean;
  results: {
    work: string;
    dtype: string;
    series: { contestant: string; agrees: boolean; samples: (number | null)[] }[];
  }[];
}

test('a smoke run measures what is known, says what is not, and prints no escape codes in a pipe', () => {
  const path = join(folder, 'smoke.json');
  const run = bench('--smoke', '--works', 'leaf-1000,resnet51', '--dtypes', 'bfloat16,int8', '--json', path);
  expect(run.status).toBe(0);
  expect(run.stderr).toContain("bench: unknown work 'resnet51' is left out: known are leaf-25.6m, resnet50");
  expect(run.stderr).toContain("bench: unknown dtype 'int8' is left out");
  expect(run.stdout).toMatch(/^leaf-1000 bfloat16 momentum, 1 thread .*us/m);
  // eslint-disable-next-line no-control-regex -- what is looked for
  expect(run.stdout + run.stderr).not.toMatch(/[\u001b\r]/);
  const { interrupted, results } = JSON.parse(readFileSync(path, 'utf8')) as Results;
  expect(interrupted).toBe(false);
  expect(new Set(results.map(({ work }) => work))).toEqual(new Set(['leaf-1000']));
  for (const { series } of results) {
    expect(series.map(({ contestant }) => contestant)).toEqual(expect.arrayContaining(['metal-sgd', 'JavaScript']));
    for (const { samples } of series) expect(samples[0]).toBeGreaterThan(0);
  }
});

test('all contestants compute the same in every dtype', () => {
  const path = join(folder, 'all.json');
  const dtypes = 'float32,float64,float16,bfloat16';
  const run = bench('--smoke', '--rounds', '1', '--works', 'mlp', '--dtypes', dtypes, '--json', path);
  expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
  const { results } = JSON.parse(readFileSync(path, 'utf8')) as Results;
  expect([...new Set(results.map(({ dtype }) => dtype))].join()).toBe(dtypes);
  for (const { series } of results) {
    const agreeing = series.filter(({ agrees }) => agrees).map(({ contestant }) => contestant);
    expect(agreeing).toEqual(['metal-sgd', 'C', 'JavaScript']);
  }
});

test('a bad option ends with code 2 and one line', () => {
  const { status, stderr } = bench('--rounds', 'many');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^error: .*'many' is invalid[^\n]*\n$/);
});

test('ResNet-50 has its 161 leaves, as many elements as one large leaf', () => {
  const [leaf, resnet, perceptron] = WORKS;
  expect(resnet.counts).toHaveLength(161);
  expect(resnet.total).toBe(25_557_032);
  expect(leaf.counts).toEqual([resnet.total]);
  expect(perceptron.total).toBe(101_770);
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
  expect(agree(outcome, { values: [1] }, 'float32')).toBe(false);
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
