// Which file is loaded as the addon, and what the error says where none can be: each in a process of its own, which may
// pretend to be another machine. test/package has the same errors from real causes.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Lab, resultOf, ROOT, runNode } from '../helpers/child';
import type { Failure } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

/** What a process pretends: its platform, and names in /lib and the C library's version in a report (undefined: musl). */
interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly lib?: readonly string[] | undefined;
  readonly glibc?: string;
}

/** The error of the first use of the addon on that machine. */
const firstUse = ({ sgd, fs }: Lab, machine: Machine | undefined): Failure => {
  if (machine) {
    const { platform, arch, lib = [], glibc } = machine;
    Object.defineProperties(process, { platform: { value: platform }, arch: { value: arch } });
    Object.assign(process.report, { getReport: () => ({ header: { glibcVersionRuntime: glibc } }) });
    const { existsSync, readdirSync } = fs;
    Object.assign(fs, {
      existsSync: (path: string) => path !== '/etc/alpine-release' && (path === '/lib' || existsSync(path)),
      readdirSync: (path: string) => (path === '/lib' ? lib : readdirSync(path)),
    });
  }
  try {
    sgd.devices();
  } catch (error) {
    const { name, code, message } = error as Failure;
    return { name, code, message };
  }
  throw new Error('the addon was loaded');
};

/** A folder in which these files stand for addons. */
function folderWith(...files: string[]): string {
  const folder = newFolder();
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), 'no machine code');
  }
  return folder;
}

function errorIn(folder: string, machine?: Machine, env: Record<string, string> = {}): string[] {
  const error = resultOf(firstUse, machine, { env: { LIBC: '', METAL_SGD_PREBUILD: folder, ...env } });
  expect({ name: error.name, code: error.code }).toEqual({ name: 'Error', code: 'addon' });
  return error.message.split('\n');
}

const GLIBC: Machine = { platform: 'linux', arch: 'x64', lib: ['ld-linux.so.2'], glibc: '2.36' };
const MUSL: Machine = { platform: 'linux', arch: 'x64', lib: ['ld-musl-x86_64.so.1'] };
const MAC: Machine = { platform: 'darwin', arch: 'x64' };

const LINUX_FILES = ['prebuilds/linux-x64/metal-sgd.glibc.node', 'prebuilds/linux-x64/metal-sgd.musl.node'];

describe('the error', () => {
  test('tells the machine, where it looked, the reason and what to do', () => {
    const folder = newFolder();
    const lines = errorIn(folder);
    const { platform, arch, versions } = process;
    const libc = platform === 'linux' ? '(glibc [\\d.]+|musl), ' : '';
    expect(lines[0]).toMatch(
      new RegExp(`^metal-sgd: .* loaded for ${platform}-${arch}, ${libc}Node ${versions.node.replaceAll('.', '\\.')}$`),
    );
    const folders = `${join(folder, 'build', 'Release')}, ${join(folder, 'prebuilds')}`;
    expect(lines[1]).toBe(`looked in ${folders}, as METAL_SGD_PREBUILD says`);
    expect(lines[2]).toMatch(/^reason: No native build was found for /);
    expect(lines.at(-2)).toBe('that is, there are no binaries at all');
    expect(lines.at(-1)).toBe(
      `to build it, with CMake and a C++17 compiler: cd ${ROOT} && npm ci && npx cmake-js build`,
    );
  });

  test('names the file that it found', () => {
    const folder = folderWith('build/Release/metal-sgd.node');
    const file = join(folder, 'build', 'Release', 'metal-sgd.node');
    expect(errorIn(folder)[1].endsWith(`; found ${file}`)).toBe(true);
  });

  test('lists the platforms that there are binaries for', () => {
    const folder = folderWith('prebuilds/linux-s390x/metal-sgd.node', 'prebuilds/win32-x64/metal-sgd.node');
    expect(errorIn(folder, GLIBC)).toContain('that is, there are binaries for linux-s390x, win32-x64 only');
  });

  test('says of a LIBC that is wrong that it should not be set', () => {
    const lines = errorIn(folderWith(...LINUX_FILES), GLIBC, { LIBC: 'uclibc' });
    expect(lines).toContain('that is, LIBC is set to uclibc: unset it');
  });
});

describe('the file is', () => {
  const found = (lines: readonly string[]): string => lines[1].split('; found ')[1];

  test('that for glibc on glibc, even where musl is there too', () => {
    const folder = folderWith(...LINUX_FILES);
    for (const lib of [GLIBC.lib, MUSL.lib]) {
      expect(found(errorIn(folder, { ...GLIBC, lib }))).toBe(join(folder, LINUX_FILES[0]));
    }
  });

  test('that for musl on musl, without the release file of Alpine', () => {
    const folder = folderWith(...LINUX_FILES);
    expect(found(errorIn(folder, MUSL))).toBe(join(folder, LINUX_FILES[1]));
  });

  test('what LIBC says, and the error says if that is wrong', () => {
    const folder = folderWith(...LINUX_FILES);
    const onGlibc = errorIn(folder, GLIBC, { LIBC: 'musl' });
    expect(found(onGlibc)).toBe(join(folder, LINUX_FILES[1]));
    expect(onGlibc).toContain('that is, the file is for musl, this Node runs on glibc 2.36: unset LIBC');
    expect(found(errorIn(folder, MUSL, { LIBC: 'glibc' }))).toBe(join(folder, LINUX_FILES[0]));
  });

  test('taken for glibc where musl cannot be seen, with the advice to set LIBC', () => {
    const lines = errorIn(folderWith(...LINUX_FILES), { ...MUSL, lib: [] });
    expect(lines).toContain('that is, the file is for glibc, this Node runs on musl: set LIBC=musl');
  });
});

describe('an x64 Node on Apple silicon', () => {
  test('that finds a file for arm64 alone is told of Rosetta', () => {
    const folder = folderWith('prebuilds/darwin-arm64/metal-sgd.node');
    expect(errorIn(folder, MAC).join('\n')).toMatch(/for Intel, under Rosetta, .*: use an arm64 Node/);
  });

  test('is told nothing of Rosetta where its file is there', () => {
    const folder = folderWith('prebuilds/darwin-arm64/metal-sgd.node', 'prebuilds/darwin-x64/metal-sgd.node');
    expect(errorIn(folder, MAC).join('\n')).not.toContain('Rosetta');
  });
});

test('the tools for building from source are those that this package is built with', () => {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const { devDependencies } = JSON.parse(manifest) as { devDependencies: Record<string, string> };
  const loader = readFileSync(join(ROOT, 'lib', 'addon', 'loader.ts'), 'utf8');
  const tools = /^const BUILD_TOOLS = '(.*)';$/m.exec(loader)?.[1].split(' ') ?? [];
  expect(tools).toHaveLength(3);
  for (const tool of tools) {
    const [name, major] = tool.split('@');
    expect(devDependencies[name].split('.')[0]).toBe(major);
  }
});

test.each([['--no-addons'], [permission(), '--allow-fs-read=*']])(
  'a Node that loads no addon is told the flag (%s)',
  (...flags) => {
    const code = 'new (require(process.cwd()).SGD)(0.1).update(new Float32Array(1), new Float32Array(1))';
    const { status, stderr } = runNode([...flags, '-e', code]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/this Node loads no native addon: start it with --allow-addons beside --permission/);
    expect(stderr).not.toContain('CMake');
  },
);

function permission(): string {
  return process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
}
