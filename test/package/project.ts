// Projects outside the repository that use the packed package, and the programs that run there.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';

/** A setting of scripts/test/package.mjs. */
function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: npm run test:package sets it`);
  return value;
}

/** The packed package. */
export const TARBALL = setting('METAL_SGD_TARBALL');

/** The folder of the runtimes from npm; empty where there are none for this machine. */
export const RUNTIMES = setting('METAL_SGD_RUNTIMES');

/** A file of one of their packages. */
export const inRuntimes = (...path: string[]): string => join(RUNTIMES, 'node_modules', ...path);

export const FIXTURES = join(ROOT, 'test', 'fixtures');

/** How a program ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What of this process's environment a user's project would not have. */
const OURS = /^(METAL_SGD_|npm_|NODE_OPTIONS$|NODE_PATH$|LIBC$|JEST_)/;

/** Runs a program there, without our environment. */
export function run(folder: string, command: readonly string[], env: Record<string, string> = {}): Ended {
  const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name));
  const [program = '', ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...Object.fromEntries(inherited), ...env },
    timeout: 300_000,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** What a program printed that must end well. */
export function output(folder: string, command: readonly string[], env?: Record<string, string>): string {
  const { status, stdout, stderr } = run(folder, command, env);
  if (status === 0) return stdout;
  throw new Error(`${command.join(' ')} ended with ${String(status)}\n${stdout}\n${stderr}`);
}

/** A program of this repository's tools, by its file below node_modules. */
export const tool = (file: string): string[] => [process.execPath, join(ROOT, 'node_modules', file)];

/** npm's own program, so that it needs nothing of PATH; where npm doesn't run this, the one on PATH. */
export const npm: readonly string[] = process.env['npm_execpath']?.endsWith('.js')
  ? [process.execPath, process.env['npm_execpath']]
  : ['npm'];

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** An empty folder; gone after the last test of the file. */
export function emptyFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'metal-sgd-package-')));
  made.push(folder);
  return folder;
}

/** A project with nothing but the package in it, and the programs of `consumers/`. */
export function newProject(flags: readonly string[] = ['--ignore-scripts'], env?: Record<string, string>): string {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  output(folder, [...npm, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...flags, TARBALL], env);
  cpSync(join(ROOT, 'test', 'package', 'consumers'), folder, { recursive: true });
  return folder;
}

/** Gives a project this repository's TensorFlow.js. */
export function linkTensorFlow(project: string): void {
  symlinkSync(join(ROOT, 'node_modules', '@tensorflow'), join(project, 'node_modules', '@tensorflow'), 'junction');
}

/** The package's folder in a project. */
export const packageIn = (project: string): string => join(project, 'node_modules', 'metal-sgd');

/** Files below a folder, as paths with slashes, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
}
