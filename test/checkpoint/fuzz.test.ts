// Mutated files, a few; many more of them in test/long.
import { fuzzFiles } from '../helpers/fuzzFiles';

test('each of 2,000 mutated files loads or fails with a documented error', () => {
  const { taken, refused, slowest } = fuzzFiles(1, 500);
  expect(taken).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(1000);
  expect(slowest).toBeLessThan(2000);
});
