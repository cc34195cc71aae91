// Checkpoints at length: mutated files, and kills while saving.
import { temporaryFolders } from '../helpers/folders';
import { fuzzFiles } from '../helpers/fuzzFiles';
import { killSavers } from '../helpers/killing';

const newFolder = temporaryFolders();

test.each([11, 12, 13, 14, 15])(
  'each of 20,000 mutated files loads or fails with a documented error, seed %i',
  (seed) => {
    const { taken, refused, slowest } = fuzzFiles(seed, 5000);
    expect(taken).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(10_000);
    expect(slowest).toBeLessThan(5000);
  },
  600_000,
);

test('the newest complete checkpoint loads after each of 1,000 kills', async () => {
  const { step, halves } = await killSavers(newFolder(), 1000, 2);
  expect(step).toBeGreaterThan(100);
  expect(halves).toBeGreaterThan(50);
}, 1_800_000);
