// Figures that need a process of their own: a script of bench/children answers by a line of JSON.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './internals';
import { reasonIn } from './program';

const FOLDER = join(ROOT, 'bench', 'build', 'children');

/** @throws Error with what it said, if it failed. */
export function runChild(
  script: string,
  given: unknown,
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): unknown {
  const command = ['--expose-gc', ...flags, join(FOLDER, `${script}.js`), JSON.stringify(given)];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, command, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${script}: ${reasonIn(stderr) || String(status)}`);
  return JSON.parse(stdout);
}

/** What the script was given. */
export function given(): unknown {
  return JSON.parse(process.argv[2]);
}

export function answer(value: unknown): void {
  console.log(JSON.stringify(value));
}
