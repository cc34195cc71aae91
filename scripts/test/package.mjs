// npm run test:package: the package as users get it. Makes a binary, packs, and runs test/package on the tarball, with the
// runtimes that npm has for x86-64 Linux; elsewhere with the machine's own binary and Node. With `--tarball FILE` first, it
// makes and packs nothing, and tests that one. Other arguments go to Jest.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { makeBinaries, npm, pack } from '../build/pack.mjs';
import { root } from '../lib/run.mjs';

const work = join(root, 'build-package');
const { arch, platform } = process;

/** The machine's own binary; test:platforms makes them all. */
const binary = platform === 'linux' ? `linux-${arch}-glibc` : `${platform}-${arch}`;

function step(title, work) {
  const start = performance.now();
  process.stdout.write(`== ${title}\n`);
  const result = work();
  process.stdout.write(`   ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return result;
}

/** A new tarball of this folder, with binaries that are up to date. */
function packed() {
  step(`binary: ${binary}`, () => makeBinaries([binary]));
  return step('tarball', () => pack(join(work, 'tarball')));
}

/** The folder of the runtimes of test/package/runtimes/package.json, installed once for each list. */
function installRuntimes() {
  const lists = ['package.json', 'package-lock.json'];
  const wanted = join(root, 'test', 'package', 'runtimes');
  const folder = join(work, 'runtimes');
  const same = (file) =>
    existsSync(join(folder, file)) && readFileSync(join(folder, file)).equals(readFileSync(join(wanted, file)));
  if (lists.every(same)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  for (const file of lists) cpSync(join(wanted, file), join(unfinished, file));
  npm('ci', '--prefix', unfinished, '--ignore-scripts', '--no-audit', '--no-fund');
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return folder;
}

const given = process.argv[2] === '--tarball';
const jestArguments = process.argv.slice(given ? 4 : 2);
const tarball = given ? resolve(process.argv[3]) : packed();
const runtimes = platform === 'linux' && arch === 'x64' ? step('Nodes, Bun and Deno', installRuntimes) : '';
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');

/** Runs the tests of these files but for those; ends with an error if one fails. */
function test(title, paths, butFor) {
  const leftOut = butFor ? ['--testPathIgnorePatterns', butFor] : [];
  const { status, error } = step(title, () =>
    spawnSync(process.execPath, [jest, '--testPathPatterns', paths, ...leftOut, ...jestArguments], {
      cwd: root,
      stdio: 'inherit',
      env: {
        METAL_SGD_BINARIES: binary,
        ...process.env,
        METAL_SGD_TARBALL: tarball,
        METAL_SGD_RUNTIMES: runtimes,
      },
    }),
  );
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

// Binaries are read where they are made, and compared where all are. What measures time runs alone.
test('tests', '/test/package/', given ? 'startup|compare|binaries' : 'startup|compare');
test('the start', '/test/package/startup');
