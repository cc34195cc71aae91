// Kills processes that save, and looks at what they leave.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { CheckpointDirectory, SGD, type Tensor, zeros } from '../../lib';
import { ROOT } from './child';
import { randomWords } from './random';

const SIZE = 300_000;

/** Goes on from the newest checkpoint and saves one for each step, whose parameters all are the step's number. */
const SAVER = `
  const { CheckpointDirectory, SGD, zeros } = require(${JSON.stringify(ROOT)} + '/dist');
  const checkpoints = new CheckpointDirectory(process.argv[1], { keep: 2 });
  (async () => {
    const parameters = zeros({ a: [${String(SIZE)}], b: [3] });
    const optimizer = new SGD(1);
    await checkpoints.load(optimizer, { parameters });
    console.log('ready');
    for (let step = optimizer.step + 1; ; step++) {
      parameters.a.data.fill(step);
      parameters.b.data.fill(step);
      optimizer.step = step;
      await checkpoints.save(optimizer, { parameters });
    }
  })();`;

/**
 * Kills a saver at `count` random moments, one process after another in the same folder. After each the newest whole
 * checkpoint must load, hold one step alone, and be no older than the last one's.
 *
 * @returns The last step, and how many kills left a half-written file.
 */
export async function killSavers(
  folder: string,
  count: number,
  seed: number,
): Promise<{ step: number; halves: number }> {
  const word = randomWords(seed);
  let step = 0;
  let halves = 0;
  for (let i = 0; i < count; i++) {
    const saver = spawn(process.execPath, ['-e', SAVER, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(saver, 'close');
    const started = once(saver.stdout, 'data').then(() => 'started');
    if ((await Promise.race([started, closed])) !== 'started') throw new Error('the saver ended by itself');
    // At first longer and longer: on a busy machine a save may take more than 30 ms.
    await new Promise((resolve) => setTimeout(resolve, ((word() % 300) / 10) * Math.min(1 + i / 5, 10)));
    saver.kill('SIGKILL');
    await closed;
    const names = readdirSync(folder);
    halves += Number(names.some((name) => name.endsWith('.tmp')));
    // A kill between renaming and pruning leaves one more, until the next save.
    if (names.length > 12) throw new Error(`after kill ${String(i)}: ${names.join(', ')}`);
    const loaded = await newestStep(folder);
    if (loaded < step) throw new Error(`after kill ${String(i)}: step ${String(loaded)}, before it ${String(step)}`);
    step = loaded;
  }
  return { step, halves };
}

/** The step of the newest checkpoint, 0 without one; throws if its parameters are of another, or of several. */
async function newestStep(folder: string): Promise<number> {
  const parameters: Record<string, Tensor> = zeros({ a: [SIZE], b: [3] });
  const optimizer = new SGD(1);
  const loaded = await new CheckpointDirectory(folder).load(optimizer, { parameters });
  const { step } = optimizer;
  for (const { data } of loaded ? Object.values(parameters) : []) {
    if (!data.every((value) => value === step)) throw new Error(`step ${String(step)}: parameters of another`);
  }
  return step;
}
