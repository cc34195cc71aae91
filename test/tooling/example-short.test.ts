// The example in one file, as a newcomer runs it in a clone.
import { runNode } from '../helpers/child';

test('examples/digits.mjs learns to read digits', () => {
  const { status, stdout, stderr } = runNode(['examples/digits.mjs']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [, accuracy] = /^test accuracy: (\d+\.\d\d) % after \d+ steps on the [cg]pu$/m.exec(stdout) ?? [];
  expect(Number(accuracy)).toBeGreaterThanOrEqual(97);
  expect(Number(accuracy)).toBeLessThanOrEqual(100);
});
