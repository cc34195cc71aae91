// The addon is there and can't be loaded, or isn't: each for a real cause. The error names it and says what to do.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../helpers/child';
import { emptyFolder, newProject, packageIn, run } from './project';

const CODE = `try { require('metal-sgd').devices(); console.log('loaded'); }
  catch ({ name, code, message }) { console.log([name, code, message].join('\\n')); }`;

const ENTRY = `try { require('metal-sgd/tensorflow'); console.log('loaded'); }
  catch ({ code, message }) { console.log([code, message].join('\\n')); }`;

const { arch, platform } = process;
const linux = platform === 'linux';
const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
const [libc, otherLibc] = header.glibcVersionRuntime ? ['glibc', 'musl'] : ['musl', 'glibc'];
const fileFor = (name: string): string => `prebuilds/${platform}-${arch}/metal-sgd${linux ? `.${name}` : ''}.node`;
const [mine, other] = [fileFor(libc), fileFor(otherLibc)];

let project: string;
let folder: string;
beforeEach(() => {
  project = newProject();
  folder = packageIn(project);
});

/** What stands at the beginning of a binary for Macs, where its place is in the package. */
function addBinaryForMacs(): string {
  const file = join(folder, 'prebuilds', 'darwin-arm64', 'metal-sgd.node');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, Uint8Array.of(0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 0x01));
  return file;
}

/** A binary that wants a C library which this machine lacks, where that of the other one is in the package. */
function addBinaryForOtherLibc(): string {
  const bytes = readFileSync(join(folder, mine), 'latin1');
  expect(bytes).toContain('libc.so.6');
  writeFileSync(join(folder, other), bytes.replaceAll('libc.so.6', 'libc.so.0'), 'latin1');
  return join(folder, other);
}

/** Name and code of the error of the first use there, then the lines of its message. */
function firstUse(env: Record<string, string> = {}, ...before: string[]): string[] {
  const { stdout, stderr } = run(project, [...before, process.execPath, '-e', CODE], env);
  return `${stdout}${stderr}`.trim().split('\n');
}

/** Checks what every such error says; returns its last lines: the reason, what that means and what to do. */
function expectError([name, code, ...message]: string[]): string {
  expect([name, code]).toEqual(['Error', 'addon']);
  const machine = `${platform}-${arch}${linux ? `, ${libc}( [\\d.]+)?` : ''}, Node ${process.versions.node}`;
  expect(message[0]).toMatch(new RegExp(`^metal-sgd: no native addon could be loaded for ${machine}$`));
  expect(message[1]).toContain(`looked in ${join(folder, 'build', 'Release')}, ${join(folder, 'prebuilds')}`);
  expect(message.at(-1)).toBe(
    `to build it, with CMake and a C++17 compiler: cd ${project} && npm install --no-save ` +
      `cmake-js@8 node-addon-api@8 node-api-headers@1 && npx cmake-js build -d ${folder}`,
  );
  return message.slice(2).join('\n');
}

test('nothing is wrong', () => {
  expect(firstUse()).toEqual(['loaded']);
});

test('the file was removed', () => {
  rmSync(join(folder, mine));
  const says = expectError(firstUse());
  expect(says).toMatch(/^reason: No native build was found/);
  expect(says).toContain('that is, there are binaries for ');
});

test('all binaries were removed', () => {
  rmSync(join(folder, 'prebuilds'), { recursive: true });
  expect(expectError(firstUse())).toContain('that is, there are no binaries at all');
});

test('the file was cut off', () => {
  truncateSync(join(folder, mine), 40);
  expect(expectError(firstUse())).toContain('the file is damaged or for another platform: install metal-sgd again');
});

test('the file is that of another platform', () => {
  copyFileSync(platform === 'darwin' ? join(ROOT, 'package.json') : addBinaryForMacs(), join(folder, mine));
  expect(expectError(firstUse())).toContain('the file is damaged or for another platform: install metal-sgd again');
});

test('an x64 Node on a Mac finds a file for arm64 alone', () => {
  addBinaryForMacs();
  for (const name of readdirSync(join(folder, 'prebuilds'))) {
    if (name !== 'darwin-arm64') rmSync(join(folder, 'prebuilds', name), { recursive: true });
  }
  const pretend = `Object.defineProperties(process, { platform: { value: 'darwin' }, arch: { value: 'x64' } });`;
  const { stdout } = run(project, [process.execPath, '-e', pretend + CODE]);
  expect(stdout).toContain('no native addon could be loaded for darwin-x64, Node');
  expect(stdout).toContain(
    'that is, this Node is for Intel, under Rosetta, and the addon is for Apple silicon: use an arm64 Node',
  );
});

if (linux) {
  test('the file is for another architecture', () => {
    const bytes = readFileSync(join(folder, mine));
    bytes.writeUInt16LE(arch === 'arm64' ? 62 : 183, 18); // e_machine
    writeFileSync(join(folder, mine), bytes);
    expect(expectError(firstUse())).toContain('that is, the file is for another architecture: install metal-sgd again');
  });

  test('the file is for the other C library', () => {
    copyFileSync(addBinaryForOtherLibc(), join(folder, mine));
    expect(expectError(firstUse())).toMatch(/^reason: .*\n(that is, .*\n)?to build it/);
  });

  test('LIBC names the other C library', () => {
    addBinaryForOtherLibc();
    const says = expectError(firstUse({ LIBC: otherLibc }));
    expect(says).toMatch(new RegExp(`that is, the file is for ${otherLibc}, this Node runs on .*: unset LIBC`));
  });

  test('the package lies on a file system that is mounted noexec', () => {
    const mount = join(project, 'noexec');
    mkdirSync(mount);
    const prepare = `mount -t tmpfs -o noexec tmpfs ${mount} && cp -r ${join(project, 'node_modules')} ${mount} && cd ${mount} && exec "$@"`;
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    folder = join(mount, 'node_modules', 'metal-sgd');
    const lines = firstUse({}, 'unshare', ...user, '--mount', 'sh', '-c', prepare, 'sh');
    project = mount;
    const says = expectError(lines);
    expect(says).toMatch(/^reason: .*(failed to map segment|Operation not permitted)/);
    expect(says).toContain('mounted noexec: copy the folder elsewhere and set METAL_SGD_PREBUILD to the copy');
  });

  test('a copy elsewhere helps then', () => {
    const copy = emptyFolder();
    mkdirSync(dirname(join(copy, mine)), { recursive: true });
    copyFileSync(join(folder, mine), join(copy, mine));
    rmSync(join(folder, 'prebuilds'), { recursive: true });
    expect(firstUse({ METAL_SGD_PREBUILD: copy })).toEqual(['loaded']);
  });
}

describe('the entry for TensorFlow.js', () => {
  const peer = (): string => join(project, 'node_modules', '@tensorflow', 'tfjs-core');
  const firstImport = (): string[] => run(project, [process.execPath, '-e', ENTRY]).stdout.trim().split('\n');

  test('names the package that is missing, and how to install it', () => {
    expect(firstImport()).toEqual([
      'no-tensorflow',
      'metal-sgd/tensorflow: TensorFlow.js could not be loaded: npm install @tensorflow/tfjs-core@4',
    ]);
  });

  test.each(['3.21.0', '5.0.0'])('refuses version %s', (version) => {
    mkdirSync(peer(), { recursive: true });
    writeFileSync(join(peer(), 'index.js'), `exports.version_core = '${version}';`);
    expect(firstImport()).toEqual([
      'no-tensorflow',
      `metal-sgd/tensorflow: expected @tensorflow/tfjs-core 4, received ${version}`,
    ]);
  });
});
