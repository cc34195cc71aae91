// What npm run bench:report makes of results.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metric } from '../../bench/metrics';
import { INTRODUCTIONS, METHOD, REPEAT } from '../../bench/report/text';
import type { Results } from '../../bench/results';
import { buildBench, report } from '../helpers/bench';
import { resultOf, resultsWith, seriesOf } from '../helpers/benchResults';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

const folder = temporaryFolders()();

beforeAll(buildBench);

const chartOf = (name: string): string => readFileSync(join(folder, 'benchmarks', `${name}.svg`), 'utf8');

test('a report has the machine, charts, tables and how to repeat it', () => {
  const results = join(folder, 'reported.json');
  const large = { model: 'leaf-25.6m', elements: 25_557_032, leaves: 1 };
  const series = [seriesOf('metal-sgd', [2e6, 3e6]), seriesOf('C', [1e6, 2e6]), seriesOf('PyTorch fused', [3e6, 6e6])];
  const goal = { relation: 'at least', value: 0.97 } as const;
  const metric = { part: 'goals', name: '25.6 M | float32', value: 0.5, unit: '', goal };
  const more = [resultOf(series, large), resultOf(series, { ...large, model: 'leaf-10k', elements: 10_000 })];
  writeFileSync(results, JSON.stringify(resultsWith(series, [metric], more)));
  const run = report(results, '--output', folder);
  expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
  const text = readFileSync(join(folder, 'benchmarks.md'), 'utf8');
  expect(text).toContain('| processor | A processor, 2 cores, 2 processors |');
  expect(text).toMatch(/^\| mlp float32 momentum, 2 threads \| metal-sgd \| 2\.50 ms \| .* \| 0\.583 \| /m);
  expect(text).toContain('| 25.6 M \\| float32 | 0.500 | at least 0.97: **missed** |');
  expect(text).toContain('npm run bench:report');
  expect(/!\[(.*)\]/.exec(text)?.[1]).toMatch(/^Milliseconds of one update of one leaf of 25\.6 M: /);
  for (const chart of ['peers', 'speeds', 'sizes', 'dtypes']) {
    expect(text).toContain(`](benchmarks/${chart}.svg)`);
    const svg = chartOf(chart);
    if (chart === 'peers') expect(svg).toMatch(/>metal-sgd<[^]*>PyTorch fused<[^]*>2\.50 ms<[^]*>4\.50 ms</);
    expect(svg).toMatch(/^<svg xmlns="[^"]+"/);
    expect(svg).toContain(chart === 'sizes' ? '2 threads' : 'metal-sgd');
    expect(svg).not.toMatch(/NaN|undefined/);
  }
});

test('a chart says of a bar that it ends before its figure, and shows the fastest way of each package', () => {
  const results = join(folder, 'extremes.json');
  const [slow, fast] = [seriesOf('MLX default', [9e6]), seriesOf('MLX compiled', [4e6])];
  writeFileSync(results, JSON.stringify(resultsWith([seriesOf('metal-sgd', [1e6]), seriesOf('C', [2e6]), slow, fast])));
  expect(report(results, '--output', folder).status).toBe(0);
  expect(chartOf('speeds')).toContain('>2.0 →<');
  expect(chartOf('speeds')).toContain('>perceptron<');
  expect(chartOf('peers')).toContain('>MLX compiled<');
  expect(chartOf('peers')).not.toContain('MLX default');
});

test('docs/benchmarks.md has the words that a new report would have', () => {
  const text = readFileSync(join(ROOT, 'docs', 'benchmarks.md'), 'utf8');
  for (const words of [METHOD, REPEAT, ...Object.values(INTRODUCTIONS)]) expect(text).toContain(words);
});

describe('a report of several runs', () => {
  const count = (row: string, column: string, value: number, unit = ''): Metric => {
    return { part: 'calls', name: `one step of ${row}: ${column}`, value, unit, cell: { row, column } };
  };
  const speed: Metric = { part: 'gpu', name: 'GPU, 65536 elements', value: 1.5, unit: 'GB/s', note: 'simulated' };
  const main = resultsWith([seriesOf('metal-sgd', [1e6])], [{ part: 'goals', name: 'a goal', value: 1, unit: '' }]);
  const calls = resultsWith(
    [],
    [speed, count('mlp', 'dispatches', 1), count('mlp', 'time', 12.34, 'us'), count('gpt2', 'dispatches', 2)],
  );
  const reported = (...all: readonly Results[]): string => {
    const files = all.map((results, i) => {
      const path = join(folder, `part-${String(i)}.json`);
      writeFileSync(path, JSON.stringify(results));
      return path;
    });
    const run = report(...files, '--output', folder);
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    return readFileSync(join(folder, 'benchmarks.md'), 'utf8');
  };

  test('has what each adds, counts in one table with a row for each model', () => {
    const text = reported(main, { ...calls, machine: { ...calls.machine, simulated: true } });
    expect(text).toContain('| a goal | 1 |');
    expect(text).toContain("## What a step costs in Metal's calls, over the Metal simulator\n");
    expect(text).toContain('|  | dispatches | time |\n|---|--:|--:|\n| mlp | 1 | 12.3 us |\n| gpt2 | 2 |  |\n');
    expect(text).toMatch(/^## GPU, over the Metal simulator\n[^#]*these speeds mean nothing\.\n\n[^#]*1\.50 GB\/s/m);
    expect(text.match(/^## Time of a step/gm)).toHaveLength(1);
    expect(text).not.toContain('Another run');
  });

  test('says where a run was made, if elsewhere or from another commit', () => {
    const text = reported(main, { ...calls, commit: 'def', date: '2026-05-06T00:00:00.000Z' });
    expect(text).toContain("## What a step costs in Metal's calls\n");
    expect(text.match(/^Another run: 2026-05-06, commit def, A processor, 2 processors, Linux\.$/gm)).toHaveLength(2);
    const other = { ...main, machine: { ...main.machine, cpu: 'Another processor' } };
    expect(reported(main, other)).toMatch(/^## Time of a step\n\nAnother run: .*, Another processor, /m);
  });

  test('a file that is none of ours, or missing, is told in one line, and nothing is written', () => {
    const before = readFileSync(join(folder, 'benchmarks.md'), 'utf8');
    for (const file of [join(ROOT, 'package.json'), join(folder, 'none.json')]) {
      const given = [join(folder, 'part-0.json'), file, '--output', folder];
      const { status, stderr } = report(...given);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^bench:report: [^\n]+\n$/);
    }
    expect(readFileSync(join(folder, 'benchmarks.md'), 'utf8')).toBe(before);
  });
});
