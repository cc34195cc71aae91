// What runs each binary on Linux on x86-64.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { arm64Node, folder, linuxNode, muslNode, windowsNode } from './downloads.mjs';
import { emulated, jest, resolverFor, smoke } from './suites.mjs';

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

const NOT_IN_QEMU = {
  files: ['test/behaviour/garbage', 'test/behaviour/huge-pages'],
  tests: ['workers terminated with steps in flight, 200 times'],
};

const NOT_ON_A_MAC = 'dyld, threads, C++ exceptions and Metal itself: no macOS here; npm run verify on a Mac';

/** By the name of each binary: the runs of it, what lies `beside` it, and what is left out for which reason. */
export const PLATFORMS = {
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
    runs: [
      (target) => {
        const resolver = resolverFor('linux-arm64-gnu');
        return jest(target, 'Node 24, qemu', arm64Node('24'), ['NEON'], { resolver, without: NOT_IN_QEMU });
      },
    ],
    leftOut: [
      'test/behaviour/garbage.test.ts: qemu gives other addresses, and V8 is not done compiling when heaps are measured',
      'test/behaviour/huge-pages.test.ts: qemu passes no such wish on to the system',
      `'${NOT_IN_QEMU.tests}': takes longer in qemu than its limit of 100 s`,
      'speed, and the order in which real cores see memory: qemu runs on x86-64',
    ],
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
    leftOut: [NOT_ON_A_MAC],
  },
  'darwin-x64': {
    runs: [emulated],
    leftOut: [
      NOT_ON_A_MAC,
      'results flushed to zero: unicorn flushes operands alone, and its stand-in GPU does so too',
      'AVX2 and AVX-512, which unicorn lacks: the same sources, by the same compiler, run in linux-x64-glibc',
    ],
  },
};
