// The example, killed at random moments and started again, ends as if nothing had happened.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNode } from '../helpers/child';
import { buildExamples, DIGITS } from '../helpers/examples';
import { temporaryFolders } from '../helpers/folders';
import { randomWords } from '../helpers/random';

const newFolder = temporaryFolders();
const EPOCHS = 6;
const last = (folder: string): string | undefined => readdirSync(folder).sort().at(-1);

const args = (folder: string, ...more: readonly string[]): string[] => [
  DIGITS,
  '--no-plot',
  '--epochs',
  String(EPOCHS),
  '--checkpoint',
  folder,
  ...more,
];

beforeAll(buildExamples);

/**
 * Starts again and again, and kills each run at a random moment of the first `within` milliseconds: `kills` times, and more
 * often where a busy machine has reached no checkpoint yet.
 */
async function killAgainAndAgain(folder: string, kills: number, within: number): Promise<Set<string | undefined>> {
  const word = randomWords(5);
  const seen = new Set<string | undefined>();
  for (let i = 0; i < kills || (seen.size < 2 && i < 10 * kills); i++) {
    const child = spawn(process.execPath, args(folder, '--resume'), { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, (word() % within) * (1 + i / kills)));
    child.kill('SIGKILL');
    await closed;
    seen.add(last(folder));
  }
  return seen;
}

test('killed and resumed, it ends with the same bits and prints the same results', async () => {
  const [undisturbed, killed] = [newFolder(), newFolder()];
  const start = performance.now();
  const whole = runNode(args(undisturbed));
  const took = performance.now() - start;
  expect(whole).toMatchObject({ status: 0, stderr: '' });
  const seen = await killAgainAndAgain(killed, 5, Math.ceil(took / 3));
  expect(seen.size).toBeGreaterThan(1);
  const resumed = runNode(args(killed, '--resume'));
  expect(resumed).toMatchObject({ status: 0, stderr: '' });
  expect(resumed.stdout).toMatch(/^goes on {3}after epoch [1-6]$/m);
  const results = (text: string): string => text.replace(/^(ran on|goes on).*\n/gm, '');
  expect(results(resumed.stdout)).toBe(results(whole.stdout));
  const [a, b] = [undisturbed, killed].map((folder) => readFileSync(join(folder, last(folder) ?? '')));
  expect(Buffer.compare(a, b)).toBe(0);

  const other = runNode(args(killed, '--resume', '--seed', '7'));
  expect([other.status, other.stderr.includes('expected a run of')]).toEqual([1, true]);
  const again = runNode(args(killed));
  expect([again.status, again.stderr.includes('give --resume')]).toEqual([1, true]);
});

test('--resume without a folder is refused, and in an empty one it begins', () => {
  const { status, stderr } = runNode([DIGITS, '--no-plot', '--resume']);
  expect([status, stderr]).toEqual([2, 'error: --resume needs --checkpoint DIR\n']);
  const begun = runNode([DIGITS, '--no-plot', '--epochs', '1', '--checkpoint', join(newFolder(), 'new'), '--resume']);
  expect(begun.status).toBe(0);
  expect(begun.stdout).not.toContain('goes on');
});
