// npm run test:platforms: makes every binary of the package and runs each as far as it can run on this machine, Linux on
// x86-64. Installs what that takes, from npm, PyPI and Debian. What is not run is said, with the reason.
//   npm run test:platforms [-- --only NAME[,NAME] --made]     --made: takes the binaries as they are in prebuilds/
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { arm64Node, linuxNode, muslNode, windowsNode, folder } from './platforms/downloads.mjs';
import { emulated, jest, resolverFor, smoke } from './platforms/suites.mjs';
import { runQuietly } from './run-quietly.mjs';
import { TARGETS } from './targets.mjs';

function fail(message) {
  console.error(`metal-sgd: ${message}`);
  process.exit(1);
}

/** What an addon must find on this processor, by the kernel's word, the fastest first. */
function instructionSets() {
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))[1].split(' '));
  const has = (...names) => names.every((name) => flags.has(name));
  return [has('avx512f', 'avx512bw', 'avx512vl') && 'AVX-512', has('avx2', 'f16c') && 'AVX2', 'SSE2'].filter(Boolean);
}

const inWine = (path) => `Z:${path.replaceAll('/', '\\')}`;

/** Over a state of wine's own, apart from the user's. Node asks for a newer Windows than Debian's wine says it is. */
const WINE = { WINEPREFIX: join(folder, 'wine'), WINEDEBUG: '-all', NODE_SKIP_PLATFORM_CHECK: '1' };

const sets = instructionSets();

/** For each binary: the runs, and what they leave out. */
const PLATFORMS = {
  'linux-x64-glibc': {
    runs: [
      (target) => jest(target, `Node ${process.versions.node}`, process.execPath, sets),
      ...['22', '24', 'latest'].map((version) => (target) => {
        return jest(target, `Node ${version}`, linuxNode(version), sets);
      }),
    ],
    leftOut: [],
  },
  'linux-x64-musl': {
    runs: [(target) => smoke(target, 'Node 24', [muslNode('amd64')], sets, { env: { LIBC: 'musl' } })],
    leftOut: [
      "Alpine itself, and the loader's look for musl (LIBC=musl is set): musl's own loader runs Node on Debian",
    ],
  },
  'linux-arm64-glibc': {
    runs: [(target) => jest(target, 'Node 24, qemu', arm64Node('24'), ['NEON'], resolverFor('linux-arm64-gnu'))],
    leftOut: ['speed, and the order in which real cores see memory: qemu runs on x86-64'],
  },
  'linux-arm64-musl': {
    // The loader must tell by itself which of the two it needs.
    beside: 'linux-arm64-glibc',
    runs: [(target) => smoke(target, 'Node 24, qemu', [muslNode('arm64')], ['NEON'])],
    leftOut: ["Alpine itself: musl's own files run Node in qemu"],
  },
  'win32-x64': {
    runs: ['20', '22'].map((version) => (target) => {
      return smoke(target, `Node ${version}, wine`, windowsNode(version), sets, { pathOf: inWine, env: WINE });
    }),
    leftOut: [
      "Node 24 and newer: under Debian 12's wine V8 finds no room for its table of pointers and stops at its start",
    ],
  },
  'darwin-arm64': {
    runs: [emulated],
    leftOut: ['dyld, threads, C++ exceptions and Metal itself: no macOS here; npm run verify on a Mac'],
  },
  'darwin-x64': {
    runs: [emulated],
    leftOut: [
      'dyld, threads, C++ exceptions and Metal itself: no macOS here; npm run verify on a Mac',
      'AVX2 and AVX-512, which unicorn lacks: the same sources, by the same compiler, run in linux-x64-glibc',
    ],
  },
};

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, made: { type: 'boolean', default: false } },
});
const wanted = options.only?.split(',') ?? TARGETS.map(({ name }) => name);
const unknown = wanted.filter((name) => !(name in PLATFORMS));
if (unknown.length > 0) fail(`--only: expected names of ${Object.keys(PLATFORMS).join(', ')}; received ${unknown}`);
if (process.platform !== 'linux' || process.arch !== 'x64') fail('npm run test:platforms works on Linux on x86-64');
if (TARGETS.some(({ name }) => !(name in PLATFORMS))) fail('a binary has no tests here');

const say = (text) => console.log(`test:platforms: ${text}`);
if (!options.made) {
  const made = [...new Set(wanted.flatMap((name) => [name, PLATFORMS[name].beside ?? name]))].join(',');
  say(`making ${made}`);
  runQuietly(process.execPath, ['scripts/prebuildify.mjs', '--only', made]);
}
const rows = [];
let failed = 0;
for (const target of TARGETS.filter(({ name }) => wanted.includes(name))) {
  const { runs, beside } = PLATFORMS[target.name];
  target.beside = TARGETS.find(({ name }) => name === beside)?.file;
  for (const run of runs) {
    say(`running ${target.name}`);
    const { ran, tests, failed: bad, seconds, passed } = run(target);
    failed += passed ? 0 : 1;
    const result = passed ? 'passed' : `FAILED (${bad})`;
    rows.push([target.name, ran, String(tests), `${seconds.toFixed(0)} s`, result]);
  }
}
const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((row) => row[i].length)));
for (const row of rows)
  console.log(
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
for (const name of wanted) {
  for (const reason of PLATFORMS[name].leftOut) console.log(`not run of ${name}: ${reason}`);
}
say(`${rows.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
