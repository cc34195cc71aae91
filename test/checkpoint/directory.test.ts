// A folder of checkpoints: the newest few stay, and the newest whole one is found.
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointDirectory, SGD, toBytes, zeros } from '../../lib';
import { failureOf, rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const nameOf = (step: number): string => `step-${String(step).padStart(12, '0')}.safetensors`;

function optimizerAt(step: number): SGD {
  const optimizer = new SGD(1);
  optimizer.step = step;
  return optimizer;
}

test('a directory makes its folder, keeps the newest checkpoints and ignores other files', async () => {
  const folder = join(newFolder(), 'runs', 'a');
  const checkpoints = new CheckpointDirectory(folder, { keep: 2 });
  expect(await checkpoints.newest()).toBeUndefined();
  expect(await checkpoints.load(new SGD(1))).toBeUndefined();
  for (const step of [9, 10, 999, 1000]) {
    expect(await checkpoints.save(optimizerAt(step))).toBe(join(folder, nameOf(step)));
    if (step === 9) for (const name of ['step-1.txt', 'notes']) writeFileSync(join(folder, name), 'mine');
  }
  expect(readdirSync(folder).sort()).toEqual(['notes', nameOf(999), nameOf(1000), 'step-1.txt'].sort());
  expect(await checkpoints.newest()).toBe(join(folder, nameOf(1000)));
  expect(checkpoints.path).toBe(folder);
});

test('a directory keeps three checkpoints by default, and always the last one saved', async () => {
  const folder = newFolder();
  const checkpoints = new CheckpointDirectory(folder);
  for (const step of [1, 2, 3, 4]) await checkpoints.save(optimizerAt(step));
  await checkpoints.save(optimizerAt(0));
  expect(readdirSync(folder).sort()).toEqual([nameOf(0), nameOf(3), nameOf(4)]);
});

test('load skips incomplete files and files that are no checkpoint', async () => {
  const folder = newFolder();
  const checkpoints = new CheckpointDirectory(folder, { keep: 9 });
  const parameters = zeros({ a: [100] });
  parameters.a.data.fill(3);
  for (const step of [5, 6])
    await checkpoints.save(optimizerAt(step), { parameters, metadata: { epoch: String(step) } });
  truncateSync(join(folder, nameOf(6)), readFileSync(join(folder, nameOf(6))).length - 1);
  writeFileSync(join(folder, nameOf(7)), '');
  writeFileSync(join(folder, nameOf(8)), toBytes({}).subarray(0, 20));
  const optimizer = new SGD(2);
  const into = zeros({ a: [100] });
  const loaded = await checkpoints.load(optimizer, { parameters: into });
  expect([optimizer.step, loaded?.metadata['epoch'], into.a.data[99]]).toEqual([5, '5', 3]);
});

test('load fails for a checkpoint of another model instead of skipping it', async () => {
  const checkpoints = new CheckpointDirectory(newFolder());
  await checkpoints.save(optimizerAt(5), { parameters: zeros({ a: [1] }) });
  const failed = await rejectionOf(checkpoints.load(new SGD(1), { parameters: zeros({ a: [2] }) }));
  expect(failed.code).toBe('file-mismatch');
});

test('the name of a checkpoint holds the step at which it is saved', async () => {
  const folder = newFolder();
  const optimizer = optimizerAt(3);
  const [parameters, gradients] = [zeros({ a: [1000] }), zeros({ a: [1000] })];
  const stepped = optimizer.updateAsync(parameters, gradients);
  expect(await new CheckpointDirectory(folder).save(optimizer, { parameters })).toBe(join(folder, nameOf(4)));
  await stepped;
});

test.each([0, 1.5, '3'])('keep must not be %p', (keep) => {
  const { code, message } = failureOf(() => new CheckpointDirectory('x', { keep: keep as number }));
  expect([code, message]).toEqual([
    'invalid-option',
    `keep: expected a whole number from 1, received ${JSON.stringify(keep)}`,
  ]);
});
