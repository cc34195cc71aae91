// Mutated files, a few; many more of them in test/long.
import { fuzzFiles } from '../helpers/fuzzFiles';

test('2,000 mutated files are taken or refused in good order', () => {
  const { taken, refused, slowest } = fuzzFiles(1, 500);
  expect(taken).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(1000);
  expect(slowest).toBeLessThan(2000);
});
