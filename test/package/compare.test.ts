// The comparison of a release: what two machines built of the same sources must agree in what no compiler decides.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { runRelease } from '../helpers/releaseScript';

const newFolder = temporaryFolders();
const compare = (...args: readonly string[]): ReturnType<typeof runRelease> =>
  runRelease('compare-prebuilds.mjs', args, ROOT);

test('needs two folders', () => {
  expect(compare('one').status).toBe(2);
});

// What reads binaries is installed on Linux, where releases are put together.
if (process.platform === 'linux') {
  const GLIBC = `linux-${process.arch}/metal-sgd.glibc.node`;
  const MAC = 'darwin-arm64/metal-sgd.node';

  let own: string;
  const fileOf = (name: string): string => join(own, 'prebuilds', name);

  /** Two of the binaries in `prebuilds` but for this machine's, which is the one that its compiler made. */
  beforeEach(() => {
    own = newFolder();
    for (const name of [GLIBC, MAC]) {
      mkdirSync(dirname(fileOf(name)), { recursive: true });
      copyFileSync(join(ROOT, 'prebuilds', name), fileOf(name));
    }
    copyFileSync(join(ROOT, 'build', 'Release', 'metal-sgd.node'), fileOf(GLIBC));
  }, 300_000);

  /** Replaces a text by another of the same length. */
  function replace(name: string, text: string, by: string): void {
    const bytes = readFileSync(fileOf(name), 'latin1');
    expect(bytes).toContain(text);
    writeFileSync(fileOf(name), bytes.replaceAll(text, by), 'latin1');
  }

  test('lets two compilers differ in bytes, in the C++ library and in what they leave out', () => {
    const { status, stdout } = compare(own, ROOT);
    expect(stdout).toMatch(/^ok +linux-\w+-glibc\n.*as tools differ: libraries: the first has .*libstdc\+\+/m);
    expect(stdout).toMatch(/^ok +darwin-arm64$/m);
    expect(stdout).toMatch(/^alone +linux-\w+-musl: only in /m);
    expect(stdout).toContain('2 of 7 binaries are in both folders and agree');
    expect(status).toBe(0);
  });

  test('wants each binary of the package, if it is told so', () => {
    expect(compare('--all', own, ROOT).status).toBe(1);
  });

  test('fails where there is nothing to compare', () => {
    expect(compare(newFolder(), ROOT)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('0 of 7 binaries') as string,
    });
  });

  test.each([
    [
      'another processor',
      (): void => {
        replace(MAC, '\xcf\xfa\xed\xfe\x0c\0\0\x01', '\xcf\xfa\xed\xfe\x07\0\0\x01');
      },
      'architecture:',
    ],
    [
      'a name that Metal lacks',
      () => {
        replace(MAC, 'MTLCopyAllDevices', 'MTLCopyAllDevicez');
      },
      'the first has MTLCopyAllDevicez',
    ],
    [
      'a name that Node-API 8 lacks',
      () => {
        replace(MAC, 'napi_typeof', 'napi_typeox');
      },
      'what version 8 lacks: napi_typeox',
    ],
    [
      'another entry point',
      () => {
        replace(GLIBC, 'napi_register_module_v1', 'napi_register_module_v2');
      },
      'entry points:',
    ],
    [
      'another file format',
      () => {
        copyFileSync(fileOf(GLIBC), fileOf(MAC));
      },
      'format: ELF and MACHO',
    ],
  ])('sees %s', (_, change, message) => {
    change();
    const { status, stdout } = compare(own, ROOT);
    expect(stdout).toContain(message);
    expect(stdout).toContain('1 of 7 binaries are in both folders and agree');
    expect(status).toBe(1);
  });

  test('fails for a file that is no binary', () => {
    rmSync(fileOf(MAC));
    writeFileSync(fileOf(MAC), 'no binary');
    expect(compare(own, ROOT).status).not.toBe(0);
  });
}
