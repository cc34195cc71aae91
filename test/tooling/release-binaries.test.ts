// The scripts that build, gather and try the binaries of a release.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { runRelease, standIns } from '../helpers/releaseScript';

const newFolder = temporaryFolders();

const FILES = [
  ...['darwin-arm64/metal-sgd.node', 'darwin-x64/metal-sgd.node', 'win32-x64/metal-sgd.node'],
  ...['linux-x64', 'linux-arm64'].flatMap((folder) =>
    ['glibc', 'musl'].map((libc) => `${folder}/metal-sgd.${libc}.node`),
  ),
];

/** A folder with a file for each name, which holds `text` and the name. */
function binaries(text: string, names = FILES): string {
  const folder = newFolder();
  for (const name of names) {
    const file = join(folder, 'prebuilds', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${text} ${name}`);
  }
  return folder;
}

describe('assemble', () => {
  test('takes own binaries for macOS and Windows, cross-built ones for Linux, and nothing that lay there', () => {
    const folder = binaries('old', ['linux-x64/metal-sgd.glibc.node', 'freebsd-x64/metal-sgd.node']);
    const { status, stderr } = runRelease('assemble.mjs', [binaries('own'), binaries('cross')], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const found = readdirSync(join(folder, 'prebuilds'), { recursive: true, encoding: 'utf8' });
    expect(found.filter((name) => name.endsWith('.node')).sort()).toEqual([...FILES].sort());
    for (const name of FILES) {
      const text = readFileSync(join(folder, 'prebuilds', name), 'utf8');
      expect(text).toBe(`${name.startsWith('linux') ? 'cross' : 'own'} ${name}`);
    }
  });

  test('fails before it removes anything, if one is missing', () => {
    const folder = binaries('old', ['linux-x64/metal-sgd.glibc.node']);
    const own = binaries('own', FILES.slice(1));
    const { status, stderr } = runRelease('assemble.mjs', [own, binaries('cross')], folder);
    expect(status).toBe(1);
    expect(stderr).toBe(`assemble: there is no ${join(own, 'prebuilds', FILES[0])}\n`);
    expect(readFileSync(join(folder, 'prebuilds', 'linux-x64', 'metal-sgd.glibc.node'), 'utf8')).toContain('old');
  });
});

describe('take-build', () => {
  const { platform, arch } = process;
  const target = [platform, arch, ...(platform === 'linux' ? ['glibc'] : [])].join('-');

  test('places what npm run build made', () => {
    const folder = newFolder();
    const { status, stdout } = runRelease('take-build.mjs', [target, folder], folder);
    expect(status).toBe(0);
    expect(stdout).toMatch(/metal-sgd(\.glibc)?\.node {2}\d+ bytes {2}sha256 [0-9a-f]{64}\n$/);
    const name = `metal-sgd${platform === 'linux' ? '.glibc' : ''}.node`;
    const placed = readFileSync(join(folder, 'prebuilds', `${platform}-${arch}`, name));
    expect(placed.equals(readFileSync(join(ROOT, 'build', 'Release', 'metal-sgd.node')))).toBe(true);
  });

  test('does not pass a build off as another platform’s', () => {
    const other = platform === 'win32' ? 'darwin-arm64' : 'win32-x64';
    expect(runRelease('take-build.mjs', [other, 'folder'], newFolder())).toMatchObject({
      status: 1,
      stderr: `take-build: expected to run on ${other}, runs on ${platform}-${arch}\n`,
    });
    expect(runRelease('take-build.mjs', ['beos-ppc', 'folder'], newFolder()).status).toBe(2);
  });
});

describe('require-gpu', () => {
  /** Runs it with the build in a folder. */
  function requireGpu(prebuild: string): ReturnType<typeof runRelease> {
    return runRelease('require-gpu.mjs', [], ROOT, { METAL_SGD_PREBUILD: prebuild });
  }

  if (process.platform === 'darwin') {
    test('names the GPU', () => {
      expect(requireGpu('')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^require-gpu: ./) as string });
    });
  } else {
    test('fails without one', () => {
      const { status, stderr } = requireGpu('');
      expect(status).toBe(1);
      expect(stderr).toBe(`require-gpu: expected a GPU, found only cpu ${process.arch}\n`);
    });

    test('names the simulated one', () => {
      expect(requireGpu(join(ROOT, 'build-sim'))).toMatchObject({ status: 0, stdout: 'require-gpu: Apple M1\n' });
    });
  }
});

describe('alpine', () => {
  test('runs the commands one after another in a container that has what they need', () => {
    const docker = standIns(newFolder(), { docker: 'exit 5' });
    const { status } = runRelease('alpine.mjs', ['22', 'npm ci', 'A=b npm test'], newFolder(), docker.env);
    expect(status).toBe(5);
    expect(docker.calls()).toEqual([
      `docker run --rm --volume ${ROOT}/:/metal-sgd --workdir /metal-sgd --env CI node:22-alpine` +
        ' sh -exc apk add --quiet --no-cache cmake g++ git make python3 && npm ci && A=b npm test',
    ]);
  });

  test('says what it needs', () => {
    const { status, stderr } = runRelease('alpine.mjs', ['22'], newFolder());
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('usage:') as string });
  });
});
