// Runs the scripts of scripts/release, with stand-ins for the programs that only Apple, npm and GitHub have.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from './child';

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of scripts/release in `cwd`, with nothing of a release in its environment but `env`. */
export function runRelease(
  script: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Run {
  const secret = /^(APPLE_|GITHUB_|GH_|NPM_TOKEN|npm_config_)/i;
  const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !secret.test(name)));
  const path = join(ROOT, 'scripts', 'release', script);
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [path, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...plain, ...env },
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Programs in an empty folder that write down how they were called, then run a shell script. */
export function standIns(
  folder: string,
  bodies: Readonly<Record<string, string>>,
): { env: Record<string, string>; calls: () => string[] } {
  const log = join(folder, 'calls.txt');
  writeFileSync(log, '');
  for (const [name, body] of Object.entries(bodies)) {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> '${log}'\n${body}\n`);
    chmodSync(file, 0o755);
  }
  return {
    env: { PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` },
    calls: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
  };
}
