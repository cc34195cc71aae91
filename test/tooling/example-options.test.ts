// The example's options for gradients, loss scale, 16 bits and averages, each in a short run.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, runNode } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

const digits = (...args: readonly string[]): Outcome<never> => runNode([DIGITS, '--no-plot', ...args]);

/** What stands there from the test loss on. */
const resultsIn = (stdout: string): string[] => stdout.slice(stdout.indexOf('test loss:')).trimEnd().split('\n');

/** What a run of two epochs prints from its test loss on. */
function resultsOf(...args: readonly string[]): string[] {
  const { status, stdout, stderr } = digits('--epochs', '2', ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return resultsIn(stdout);
}

const ACCURACY = '\\d+\\.\\d\\d %';
const TEST = [/^test loss: \d+\.\d{6}$/, new RegExp(`^test accuracy: ${ACCURACY}$`)];
const AVERAGES = new RegExp(`^test accuracy of the averages: ${ACCURACY} \\(test loss \\d+\\.\\d{6}\\)$`);
const MASTERS = new RegExp(`^test accuracy with --master-weights: ${ACCURACY} \\(test loss \\d+\\.\\d{6}\\)$`);
const accuracyIn = (line: string): number => Number(/(\d+\.\d\d) %/.exec(line)?.[1]);

const ALL = [
  ...['--no-decay-on-bias', '--accumulate', '4', '--dtype', 'bfloat16', '--master-weights', '--ema', '0.9'],
  ...['--max-norm', '1', '--loss-scale', 'dynamic'],
];

beforeAll(buildExamples);

test.each([
  [[], []],
  [['--no-decay-on-bias'], []],
  [['--ema', '0.99'], [AVERAGES]],
  [['--dtype', 'float16'], [MASTERS]],
  [
    ['--dtype', 'bfloat16', '--ema', '0.9'],
    [AVERAGES, MASTERS],
  ],
  [['--dtype', 'bfloat16', '--master-weights'], []],
  [[...ALL], [AVERAGES]],
])('%p prints what it should, and no more', (args, more) => {
  const printed = resultsOf(...args);
  const expected = [...TEST, ...more];
  expect(printed).toHaveLength(expected.length);
  expected.forEach((pattern, i) => {
    expect(printed[i]).toMatch(pattern);
  });
});

test('bfloat16 without masters loses to bfloat16 with them, where steps are small', () => {
  const small = ['--dtype', 'bfloat16', '--learning-rate', '0.001'];
  const [, without, beside] = resultsOf(...small);
  expect(accuracyIn(beside)).toBeGreaterThan(accuracyIn(without));
  const [, masters] = resultsOf(...small, '--master-weights');
  expect(accuracyIn(masters)).toBe(accuracyIn(beside));
});

test('weights decay with and without biases, to other numbers', () => {
  const decay = ['--weight-decay', '0.1'];
  expect(resultsOf(...decay, '--no-decay-on-bias')).not.toEqual(resultsOf(...decay));
});

test('--accumulate 4 steps once for four batches, and for what is left of an epoch', () => {
  const batches = Math.ceil(Math.floor(1797 * 0.8) / 32);
  expect(digits('--epochs', '1', '--accumulate', '4').stdout).toContain(
    `; ${String(Math.ceil(batches / 4))} steps in `,
  );
  expect(digits('--epochs', '1').stdout).toContain(`; ${String(batches)} steps in `);
});

/** What the closing report of a run of two epochs says of its gradients. */
function gradientsOf(...args: readonly string[]): RegExpExecArray | null {
  const { status, stdout, stderr } = digits('--epochs', '2', ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(resultsIn(stdout).slice(0, 2)).toEqual(TEST.map((pattern) => expect.stringMatching(pattern) as string));
  return /^gradients norm up to (\d+\.\d+); (\d+) steps? clipped, (\d+) steps? skipped(?:; loss scale (\S+))?$/m.exec(
    stdout,
  );
}

test('--max-norm clips, and the report tells how often', () => {
  expect(gradientsOf()).toBeNull();
  const [, norm, clipped, skipped, scale] = gradientsOf('--max-norm', '1') ?? [];
  expect(Number(norm)).toBeGreaterThan(1);
  expect(Number(clipped)).toBeGreaterThan(0);
  expect([skipped, scale]).toEqual(['0', undefined]);
  expect(gradientsOf('--max-norm', '1000')?.[2]).toBe('0');
  expect(resultsOf('--max-norm', '1000')).toEqual(resultsOf());
});

test('--loss-scale in float32 changes no result, if it is a power of two', () => {
  const [, , clipped, skipped, scale] = gradientsOf('--loss-scale', '1024') ?? [];
  expect([clipped, skipped, scale]).toEqual(['0', '0', '1024']);
  expect(resultsOf('--loss-scale', '1024')).toEqual(resultsOf());
});

test('--loss-scale dynamic grows until 16 bits do not bear it, and leaves those steps out', () => {
  const half = ['--dtype', 'float16', '--loss-scale'];
  const [, , , skipped, scale] =
    gradientsOf('--epochs', '12', '--max-norm', '1', '--master-weights', ...half, 'dynamic', '--batch-size', '16') ??
    [];
  expect(Number(skipped)).toBeGreaterThan(0);
  expect(Number(scale)).toBeGreaterThan(65536);
  const { stdout } = digits('--epochs', '1', ...half, '1e9', '--accumulate', '2');
  expect(stdout).toMatch(/; 0 steps in .*\ngradients .* 23 steps skipped; loss scale 1000000000$/m);
});

test('resumed with all options, it ends with the same bits', () => {
  const [whole, resumed] = [newFolder(), newFolder()];
  const run = (folder: string, ...more: readonly string[]): string[] =>
    resultsOf(...ALL, ...['--checkpoint', folder, ...more]);
  const printed = run(whole);
  const [first, last] = readdirSync(whole).sort();
  copyFileSync(join(whole, first), join(resumed, first));
  expect(run(resumed, '--resume')).toEqual(printed);
  const [a, b] = [whole, resumed].map((folder) => readFileSync(join(folder, last)));
  expect(Buffer.compare(a, b)).toBe(0);

  for (const others of [[], ['--dtype', 'bfloat16', '--master-weights', '--ema', '0.9'], ALL.slice(0, -2)]) {
    const { status, stderr } = digits('--epochs', '2', ...others, '--checkpoint', resumed, '--resume');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^digits: [^\n]*expected a run of [^\n]*\n$/);
  }
});

test.each([
  [['--accumulate', '0'], "'0' is invalid. Expected a whole number from 1."],
  [['--dtype', 'float8'], 'Allowed choices are float32, float16, bfloat16.'],
  [['--max-norm', '-1'], 'Expected a number from 0.'],
  [['--max-norm', 'small'], 'Expected a number from 0.'],
  [['--loss-scale', '0'], 'Expected a number above 0, or dynamic.'],
  [['--loss-scale', '1e39'], 'Expected a number above 0, or dynamic.'],
  [['--loss-scale', 'static'], 'Expected a number above 0, or dynamic.'],
  [['--ema', '1.5'], 'Expected a number from 0 to 1.'],
  [['--ema', 'slow'], 'Expected a number from 0 to 1.'],
  [['--master-weights'], '--master-weights needs --dtype float16 or bfloat16'],
])('%p ends with code 2 and one line', (args, message) => {
  const { status, stderr } = digits(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^[^\n]*\n$/);
});
