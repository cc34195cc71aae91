// A rank that is killed at any moment of a training with checkpoints: the job ends, and a resumed one arrives at the same bits.
import { temporaryFolders } from '../helpers/folders';
import { killRank, trainedWhole } from '../helpers/killedRank';

const newFolder = temporaryFolders();

test.each(['openmpi', 'mpich'] as const)(
  '%s: twenty moments',
  async (launcher) => {
    const whole = trainedWhole(launcher, newFolder());
    for (let moment = 0; moment < 20; moment++) {
      const folder = newFolder();
      await killRank(launcher, folder, Math.random() * 600);
      expect(trainedWhole(launcher, folder).equals(whole)).toBe(true);
    }
  },
  600_000,
);
