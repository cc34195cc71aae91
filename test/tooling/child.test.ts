// What the helper that runs children makes of their standard error.
import { runNode, withoutMetalsLines } from '../helpers/child';

const ANNOUNCED = '2026-05-09 09:03:07.838 node[71:203] Metal API Validation Enabled\n';

test("standard error comes without Metal's own lines", () => {
  const lock = 'flock failed to lock maps file: errno = 35\n';
  const layers = `${ANNOUNCED}2026-05-09 09:03:07.838 node[71:203] Metal GPU Validation Enabled\n`;
  expect(withoutMetalsLines(layers + lock)).toBe('');
  expect(runNode(['-e', `process.stderr.write(${JSON.stringify(layers + lock)})`]).stderr).toBe('');
});

test('a complaint stays, also beside them', () => {
  const complaint =
    "-[MTLDebugDevice newBufferWithBytesNoCopy:]: failed assertion `length must be a multiple of pages'\n";
  expect(withoutMetalsLines(`${ANNOUNCED}${complaint}`)).toBe(complaint);
  expect(withoutMetalsLines('an error\n\nin two lines')).toBe('an error\n\nin two lines');
});
