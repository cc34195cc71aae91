// The example with worker threads: the bits of one thread that computes the same shares, and what failing workers lead to.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, ROOT, runNode } from '../helpers/child';
import { buildExamples } from '../helpers/examples';

const BUILD = join(ROOT, 'examples', 'build');
let folder: string;

const digits = (...args: readonly string[]): Outcome<never> =>
  runNode([join(BUILD, 'digits.js'), '--no-plot', '--epochs', '2', ...args], { env: { METAL_SGD_DEVICE: 'cpu' } });

beforeAll(() => {
  buildExamples();
  folder = mkdtempSync(join(tmpdir(), 'metal-sgd-workers-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The bytes of the last checkpoint, and the accuracies. */
function trained(...args: readonly string[]): { bytes: Buffer; told: string[] } {
  const place = mkdtempSync(join(folder, 'run-'));
  const { status, stdout, stderr } = digits('--checkpoint', place, ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const last = readdirSync(place).sort().at(-1) ?? '';
  return { bytes: readFileSync(join(place, last)), told: stdout.match(/^test .*$/gm) ?? [] };
}

test.each([
  ['two', 2, []],
  ['three, clipped and accumulated', 3, ['--max-norm', '1', '--accumulate', '2']],
  ['four, 16 bits', 4, ['--dtype', 'bfloat16', '--master-weights', '--loss-scale', '64', '--batch-size', '33']],
] as const)('%s workers train to the bits of one thread', (_, count, args) => {
  const [together, alone] = ['--workers', '--shares'].map((how) => trained(how, String(count), ...args));
  expect(together.told).toEqual(alone.told);
  expect(Buffer.compare(together.bytes, alone.bytes)).toBe(0);
});

test('more workers than images in a batch', () => {
  expect(trained('--workers', '3', '--batch-size', '2').told).toHaveLength(2);
});

test('a run with other shares is another run', () => {
  const place = mkdtempSync(join(folder, 'other-'));
  expect(digits('--checkpoint', place, '--shares', '2').status).toBe(0);
  const { status, stderr } = digits('--checkpoint', place, '--resume', '--workers', '3');
  expect(status).toBe(1);
  expect(stderr).toContain('expected a run of');
  // As many workers as there were shares go on.
  expect(digits('--checkpoint', place, '--resume', '--workers', '2').status).toBe(0);
});

test('one share for each worker', () => {
  const { status, stderr } = digits('--workers', '2', '--shares', '4');
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'error: each worker computes one share: leave out --shares\n',
  });
});

/** What a crew says of which the second worker runs `text` at its first message. */
function failing(text: string): Outcome<never> {
  const script = join(folder, 'worker.cjs');
  const answer = 'parentPort.postMessage(0)';
  writeFileSync(
    script,
    `const { parentPort, workerData } = require('node:worker_threads');
    parentPort.on('message', ({ images }) => { if (images[0] === 5) { ${text} } else ${answer}; });`,
  );
  const program = `
    const { hireCrew } = require(${JSON.stringify(join(BUILD, 'crew.js'))});
    const { zeros } = require('metal-sgd');
    const layer = { weight: [1, 64], bias: [1] };
    const crew = hireCrew(zeros({ layers: [layer] }), {}, 2, ${JSON.stringify(script)}, 1500);
    Promise.resolve(crew.compute(Uint32Array.of(1, 5), 1)).catch(({ name, message }) => console.log(name, message));`;
  return runNode(['-e', program]);
}

test.each([
  ['throws', "throw new Error('no gradient')", 'worker 1: no gradient'],
  ['exits', 'process.exit(3)', 'worker 1: ended with status 3 before its gradients were there'],
  ['hangs', 'for (;;);', 'worker 1: gave no gradients for 1.5 s'],
])('a worker that %s is named, and the others end', (_, text, message) => {
  const { status, stdout } = failing(text);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `UserError ${message}\n` });
});
