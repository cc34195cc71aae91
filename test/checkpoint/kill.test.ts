// A process that is killed while it saves, a few times; many more in test/long.
import { readdirSync } from 'node:fs';
import { CheckpointDirectory, SGD } from '../../lib';
import { temporaryFolders } from '../helpers/folders';
import { killSavers } from '../helpers/killing';

const newFolder = temporaryFolders();

test('the newest complete checkpoint loads after each of 20 kills, and the next save cleans up', async () => {
  const folder = newFolder();
  const { step } = await killSavers(folder, 20, 1);
  expect(step).toBeGreaterThan(0);
  const optimizer = new SGD(1);
  optimizer.step = step + 1;
  await new CheckpointDirectory(folder, { keep: 1 }).save(optimizer);
  expect(readdirSync(folder)).toHaveLength(1);
});
