// The example as a user runs it: a process of its own on the built package.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, ROOT, runNode, withoutMetalsLines } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';

const DATA = join(ROOT, 'examples', 'data', 'digits.csv');
let folder: string;

const digits = (args: readonly string[], env: Record<string, string> = {}): Outcome<never> =>
  runNode([DIGITS, ...args], { env });

beforeAll(() => {
  buildExamples();
  folder = mkdtempSync(join(tmpdir(), 'metal-sgd-example-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('it prints the same numbers with one thread and with two, and no escape codes in a pipe', () => {
  const [one, two] = ['1', '2'].map((threads) => {
    const plot = join(folder, `threads-${threads}.svg`);
    const run = digits(['--epochs', '4', '--plot', plot], { METAL_SGD_THREADS: threads });
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toContain(`${threads} thread`);
    return { printed: run.stdout, curve: readFileSync(plot, 'utf8') };
  });
  const sameInAll = (text: string): string => text.replace(/^(devices|ran on|loss curve).*$/gm, '');
  expect(sameInAll(two.printed)).toBe(sameInAll(one.printed));
  expect(two.curve).toBe(one.curve);
  // eslint-disable-next-line no-control-regex -- what is looked for
  expect(one.printed).not.toMatch(/[\u001b\r]/);
  const accuracy = Number(/test accuracy: (\d+\.\d\d) %\n$/.exec(one.printed)?.[1]);
  expect(accuracy).toBeGreaterThan(90);
});

test('the loss curve is an SVG document, and nothing else is left beside it', () => {
  const place = mkdtempSync(join(folder, 'plot-'));
  expect(digits(['--epochs', '2', '--plot', join(place, 'curve.svg')]).status).toBe(0);
  expect(readdirSync(place)).toEqual(['curve.svg']);
  const curve = readFileSync(join(place, 'curve.svg'), 'utf8');
  expect(curve).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^]*<path [^]*<\/svg>\n$/);
});

test('another seed gives another result', () => {
  const losses = ['1', '2'].map((seed) => digits(['--no-plot', '--epochs', '1', '--seed', seed]).stdout);
  const [one, two] = losses.map((printed) => /test loss: .*/.exec(printed)?.[0]);
  expect(one).toMatch(/\d/);
  expect(one).not.toBe(two);
});

test('--help tells every option and its default', () => {
  const { status, stdout } = digits(['--help']);
  expect(status).toBe(0);
  for (const option of ['epochs', 'batch-size', 'learning-rate', 'warmup', 'momentum', 'no-nesterov', 'weight-decay']) {
    expect(stdout).toContain(`--${option}`);
  }
  for (const option of ['seed', 'device', 'data', 'plot', 'no-plot']) expect(stdout).toContain(`--${option}`);
  for (const option of ['accumulate', 'no-decay-on-bias', 'dtype', 'master-weights', 'max-norm', 'loss-scale', 'ema']) {
    expect(stdout).toContain(`--${option}`);
  }
  expect(stdout).toContain('(default: 40)');
});

test.each([
  [['--epochs', 'many'], 2, "'many' is invalid. Expected a whole number from 1."],
  [['--epocs', '3'], 2, "unknown option '--epocs' (Did you mean --epochs?)"],
  [['--seed', '4294967296'], 2, 'Expected a whole number from 0 to 4294967295.'],
  [['--momentum', 'NaN'], 2, 'Expected a number from 0.'],
  [['--device', 'tpu'], 2, 'Allowed choices are auto, gpu, cpu.'],
  [['--momentum', '0'], 2, 'give --no-nesterov too'],
  [['--warmup', '9', '--epochs', '8'], 2, '--warmup 9'],
  [['--data', 'missing.csv'], 1, "no such file or directory, open 'missing.csv'"],
  [['--plot', join('missing', 'loss.svg')], 1, "can't write the plot"],
  [['--learning-rate', '1e30', '--no-plot'], 1, 'diverged in epoch'],
])('%p ends with code %p and one line', (args, status, message) => {
  const run = digits(args);
  expect(run.status).toBe(status);
  expect(run.stderr).toContain(message);
  expect(run.stderr).toMatch(/^[^\n]*\n$/);
});

test.each([
  ['no columns', () => '', 'expected the columns p00 to p77 and digit'],
  ['a short line', (text: string) => text.replace('\n0,0,5', '\n0,5'), 'on line 2'],
  ['a pixel that is none', (text: string) => text.replace('\n0,0,5', '\n0,0,17'), 'line 2: expected a whole number'],
  ['one image', (text: string) => text.split('\n').slice(0, 2).join('\n'), 'expected at least two images'],
])('a data file with %s is refused in one line', (_, change, message) => {
  const path = join(folder, 'corrupt.csv');
  writeFileSync(path, change(readFileSync(DATA, 'utf8')));
  const { status, stdout, stderr } = digits(['--data', path, '--no-plot']);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^[^\n]*\n$/);
});

test('Ctrl-C ends the training with code 130, a short line and no file', async () => {
  const place = mkdtempSync(join(folder, 'interrupted-'));
  const child = spawn(process.execPath, [DIGITS, '--epochs', '100000', '--plot', join(place, 'loss.svg')]);
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += String(text)));
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect(await exitCodeOf(child)).toBe(130);
  expect(withoutMetalsLines(stderr)).toMatch(/^digits: interrupted after \d+ of 100000 epochs\n$/);
  expect(readdirSync(place)).toEqual([]);
});

async function exitCodeOf(child: ChildProcess): Promise<unknown> {
  const [code] = (await once(child, 'close')) as unknown[];
  return code;
}
