// The example's options for gradients, 16 bits and averages, each in a short run.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, ROOT, runNode } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const DIGITS = join(ROOT, 'examples', 'build', 'digits.js');

const digits = (...args: readonly string[]): Outcome<never> => runNode([DIGITS, '--no-plot', ...args]);

/** What a run of two epochs prints from its test loss on. */
function resultsOf(...args: readonly string[]): string[] {
  const { status, stdout, stderr } = digits('--epochs', '2', ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.slice(stdout.indexOf('test loss:')).trimEnd().split('\n');
}

const ACCURACY = '\\d+\\.\\d\\d %';
const TEST = [/^test loss: \d+\.\d{6}$/, new RegExp(`^test accuracy: ${ACCURACY}$`)];
const AVERAGES = new RegExp(`^test accuracy of the averages: ${ACCURACY} \\(test loss \\d+\\.\\d{6}\\)$`);
const MASTERS = new RegExp(`^test accuracy with --master-weights: ${ACCURACY} \\(test loss \\d+\\.\\d{6}\\)$`);
const accuracyIn = (line: string): number => Number(/(\d+\.\d\d) %/.exec(line)?.[1]);

beforeAll(() => {
  const built = runNode([require.resolve('typescript/bin/tsc'), '-p', 'examples']);
  if (built.status !== 0) throw new Error(built.stdout);
});

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
  [['--no-decay-on-bias', '--accumulate', '4', '--dtype', 'bfloat16', '--master-weights', '--ema', '0.9'], [AVERAGES]],
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

test('resumed with all options, it ends with the same bits', () => {
  const [whole, resumed] = [newFolder(), newFolder()];
  const run = (folder: string, ...more: readonly string[]): string[] =>
    resultsOf(
      ...['--no-decay-on-bias', '--accumulate', '4', '--dtype', 'bfloat16', '--master-weights', '--ema', '0.9'],
      ...['--checkpoint', folder, ...more],
    );
  const printed = run(whole);
  const [first, last] = readdirSync(whole).sort();
  copyFileSync(join(whole, first), join(resumed, first));
  expect(run(resumed, '--resume')).toEqual(printed);
  const [a, b] = [whole, resumed].map((folder) => readFileSync(join(folder, last)));
  expect(Buffer.compare(a, b)).toBe(0);

  for (const others of [[], ['--dtype', 'bfloat16', '--master-weights', '--ema', '0.9']]) {
    const { status, stderr } = digits('--epochs', '2', ...others, '--checkpoint', resumed, '--resume');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^digits: [^\n]*expected a run of [^\n]*\n$/);
  }
});

test.each([
  [['--accumulate', '0'], "'0' is invalid. Expected a whole number from 1."],
  [['--dtype', 'float8'], 'Allowed choices are float32, float16, bfloat16.'],
  [['--ema', '1.5'], 'Expected a number from 0 to 1.'],
  [['--ema', 'slow'], 'Expected a number from 0 to 1.'],
  [['--master-weights'], '--master-weights needs --dtype float16 or bfloat16'],
])('%p ends with code 2 and one line', (args, message) => {
  const { status, stderr } = digits(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^[^\n]*\n$/);
});
