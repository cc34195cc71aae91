// The example where there is a GPU: the network is too small to be stepped there, so it ends with both devices side by side.
import { type Outcome, runNode, withoutMetalsLines } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';

const digits = (env: Record<string, string>, ...args: string[]): Outcome<never> =>
  runNode([DIGITS, '--no-plot', '--epochs', '1', ...args], {
    env: { METAL_SGD_DEVICE: '', ...env },
    timeout: 120_000,
  });

beforeAll(buildExamples);

test('it ends with the same training and a large step on both devices', () => {
  const { status, stdout, stderr } = digits({ METAL_SIM: '{"trace":false}' });
  expect({ status, stderr: withoutMetalsLines(stderr) }).toEqual({ status: 0, stderr: '' });
  const [, end] = stdout.split('\nCPU and Apple M1\n');
  expect(end).toMatch(/^the same training: 45 steps on each, the same bits in all parameters\n/);
  for (const side of ['cpu', 'gpu']) expect(end).toMatch(new RegExp(`^  ${side} +[0-9.]+ ms +[0-9.]+ GB/s$`, 'm'));
  expect(end).toMatch(/^ {2}this GPU is simulated: speeds mean nothing here$/m);
});

test('a GPU that fails is no error of the example', () => {
  const { status, stdout } = digits({ METAL_SIM: '{"contract":true}' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/\nthe GPU failed: this GPU does not compute float32 as the CPU does .*\n$/);
});

test.each([
  ['a device that is asked for', {}, ['--device', 'cpu']],
  ['METAL_SGD_DEVICE', { METAL_SGD_DEVICE: 'cpu' }, []],
  ['no GPU', { METAL_SIM: '{"devices":[]}' }, []],
] as const)('%s leaves it out', (_, env, args) => {
  const { status, stdout } = digits(env, ...args);
  expect(status).toBe(0);
  expect(stdout).toMatch(/\ntest accuracy: [0-9.]+ %\n$/);
});
