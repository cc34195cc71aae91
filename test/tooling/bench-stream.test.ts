// The streaming kernel that the benchmarks hold a GPU against: a Mac's own, else the simulated one, which `npm test` has built.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KERNEL, streamProgram } from '../../bench/stream';
import { buildBench, MAIN } from '../helpers/bench';
import { ROOT, runNode, withoutMetalsLines } from '../helpers/child';

const onMac = process.platform === 'darwin';
const simulator = onMac ? undefined : join(ROOT, 'build-sim');
const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-stream-'));
const environment = { ...process.env };

beforeAll(buildBench);

afterEach(() => {
  process.env = { ...environment };
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What the program answers, and how it ends. */
function ask(commands: readonly string[], kernel = KERNEL, env = {}): { answers: string[]; stderr: string } {
  const input = commands.map((command) => `${command}\n`).join('');
  const options = { input, encoding: 'utf8', env: { ...environment, ...env } } as const;
  const { stdout, stderr } = spawnSync(streamProgram(simulator), [kernel], options);
  return { answers: stdout.trim().split('\n'), stderr: withoutMetalsLines(stderr) };
}

test('it computes what it should, after an even and an odd number of steps', () => {
  const { answers, stderr } = ask(['open 4096', 'right', 'time 4', 'right', 'time 1', 'right', 'open 1024', 'right']);
  expect(stderr).toBe('');
  const times = [answers[2], answers[4]].map((line) => line.trim().split(' ').map(Number));
  expect(times.map(({ length }) => length)).toEqual([8, 2]);
  for (const nanoseconds of times.flat()) expect(nanoseconds).toBeGreaterThan(0);
  expect(answers.filter((_, i) => i !== 2 && i !== 4)).toEqual(['ok', '1', '1', '1', 'ok', '1']);
});

if (!onMac) {
  test('a kernel that writes nothing is found out', () => {
    expect(ask(['open 4096', 'right'], KERNEL, { METAL_SIM: '{"emptyKernel":true}' }).answers).toEqual(['ok', '0']);
  });
}

test('a kernel that does not compile, or is missing, is told', () => {
  const path = join(folder, 'bad.metal');
  writeFileSync(path, '#include <metal_stdlib>\nnonsense\n');
  expect(ask([], path).stderr).toMatch(/^Error: the streaming kernel does not compile: ./);
  expect(ask([], join(folder, 'none')).stderr).toMatch(/^Error: no file [^\n]+\n$/);
});

test('a Mac without a compiler says so in one line', () => {
  process.env['CXX'] = 'no-such-compiler';
  expect(() => streamProgram(undefined)).toThrow(/^no-such-compiler: .*ENOENT$/);
  process.env['CXX'] = process.execPath; // which takes none of a compiler's flags
  expect(() => streamProgram(undefined)).toThrow(/^[^\n]+$/);
});

test('where there is none, everything else of the GPU is measured', () => {
  if (simulator !== undefined) {
    for (const file of ['build', 'sim-control.node']) symlinkSync(join(simulator, file), join(folder, file));
  }
  const env = onMac ? { CXX: 'no-such-compiler' } : { METAL_SGD_PREBUILD: folder };
  const json = join(folder, 'without.json');
  const run = runNode<never>([...MAIN, '--smoke', '--parts', 'gpu', '--json', json], { env });
  expect(run.status).toBe(0);
  expect(run.stderr).toMatch(/^bench: the GPU's streaming kernel is left out: [^\n]+\n$/);
  expect(run.stdout).toMatch(/^GPU, 65536 elements, by the GPU's clock: \d/m);
  expect(run.stdout).not.toContain('streaming');
});
