// What the benchmarks do where something is wrong or missing, and at Ctrl-C.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bench, buildBench, MAIN, resultsIn } from '../helpers/bench';
import { type Outcome as Ended, ROOT, runNode, withoutMetalsLines } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

const folder = temporaryFolders()();

beforeAll(buildBench);

describe('Ctrl-C', () => {
  /** The suite as a terminal runs it: all of its processes get the signal. */
  async function interrupted(path: string, after: number, ...args: readonly string[]): Promise<Ended<never>> {
    const child = spawn(process.execPath, [...MAIN, ...args, '--json', path], { detached: true });
    const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
    setTimeout(() => process.kill(-(child.pid ?? NaN), 'SIGINT'), after);
    const [status] = (await once(child, 'close')) as [number | null];
    return {
      status,
      stdout: (await stdout).join(''),
      stderr: withoutMetalsLines((await stderr).join('')),
    } as Ended<never>;
  }

  test('ends with what was measured, printed and in a whole file', async () => {
    const path = join(folder, 'interrupted.json');
    const models = ['--models', 'leaf-1000,mlp', '--against', 'javascript', '--rounds', '1000'];
    const { status, stdout, stderr } = await interrupted(path, 2500, ...models);
    expect({ status, stderr }).toEqual({ status: 130, stderr: '' });
    const { interrupted: isOver, results } = resultsIn(path);
    expect(isOver).toBe(true);
    expect(stdout).toContain(`results: ${path}\n`);
    const sampled = results.filter(({ series }) => series.some(({ samples }) => samples.some((one) => one !== null)));
    for (const { model, dtype } of sampled) expect(stdout).toContain(`\n${model} ${dtype} `);
    expect(readdirSync(folder).filter((name) => name.startsWith('interrupted'))).toEqual(['interrupted.json']);
  });

  test('ends the process that a part waits for, and is no failure of the part', async () => {
    const path = join(folder, 'interrupted-part.json');
    const run = await interrupted(path, 2500, '--parts', 'heap,delay,memory', '--against', 'javascript');
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 130, stderr: '' });
    expect(resultsIn(path).interrupted).toBe(true);
  });
});

test('what can not be measured is told in a line each, and the rest goes on', () => {
  const axes = ['--dtypes', 'float32', '--rules', 'plain', '--threads', '1', '--layouts', 'arena', '--verbs', 'update'];
  const models = ['--models', 'list-100m,leaf-100000m,leaf-1000', '--against', 'javascript,fortran'];
  const peers = ['--peers', 'PyTorch fused,caffe'];
  const path = join(folder, 'bad.json');
  const run = (python: string): Ended<never> =>
    runNode([...MAIN, '--smoke', ...models, ...axes, ...peers, '--json', path], {
      env: { METAL_SGD_BENCH_PYTHON: python },
    });
  const { status, stderr } = run('');
  expect(status).toBe(0);
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/^bench: unknown model 'list-100m' is left out: /),
    expect.stringMatching(/^bench: unknown contestant 'fortran' is left out: /),
    expect.stringMatching(/^bench: unknown peer 'caffe' is left out: /),
    'bench: PyTorch fused is left out: METAL_SGD_BENCH_PYTHON names no Python',
    expect.stringMatching(
      /^bench: leaf-100000m float32 plain, 1 thread is left out: it needs \d+\.00 GB, and .* are free$/,
    ),
  ]);
  expect(resultsIn(path).results.map(({ model }) => model)).toEqual(['leaf-1000']);
  // No Python at all, and none that knows the peer's script.
  for (const python of [join(folder, 'no-python'), process.execPath]) {
    const lines = run(python).stderr.split('\n');
    expect(lines.filter((line) => line.startsWith('bench: PyTorch'))).toEqual([
      expect.stringMatching(/^bench: PyTorch fused is left out: .+/),
    ]);
  }
});

test('a place where no results can go is told before anything is measured', () => {
  for (const place of [folder, join(ROOT, 'package.json', 'results.json')]) {
    const { status, stdout, stderr } = bench('--smoke', '--json', place);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^bench: [^\n]+\n$/);
  }
});

test('a file to compare with that is none is told before anything is measured', () => {
  const { status, stderr, stdout } = bench('--smoke', '--compare', join(ROOT, 'package.json'));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain('package.json holds no results of npm run bench');
});

test('a bad option ends with code 2 and one line', () => {
  const { status, stderr } = bench('--rounds', 'many');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^error: .*'many' is invalid[^\n]*\n$/);
});
