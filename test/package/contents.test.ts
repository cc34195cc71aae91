// What the tarball holds, what it weighs, and what publint and arethetypeswrong say of it.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from '../helpers/child';
import { anchorsOf, linksOf } from '../helpers/markdown';
import { emptyFolder, filesBelow, newProject, output, packageIn, TARBALL, tool } from './project';

const MEBIBYTE = 2 ** 20;

/** Files that git knows below the given paths. */
const inGit = (...paths: string[]): string[] =>
  execFileSync('git', ['ls-files', '-z', ...paths], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);

/** What scripts/build/bundle.mjs makes. */
const JAVASCRIPT = [
  'dist/library.cjs',
  ...['metal-sgd', 'tensorflow'].flatMap((entry) => [`dist/${entry}.cjs`, `dist/${entry}.mjs`]),
];

/** Documents for those who work on the package. */
const INTERNAL = [
  'docs/metal-sgd.api.md',
  'docs/tensorflow.api.md',
  'docs/on-a-mac.md',
  'docs/performance.md',
  'docs/releasing.md',
];

/** The declarations that tsc makes of a file of lib. */
const declarationsOf = (file: string): string => `dist/${file.slice('lib/'.length).replace(/(m?ts)$/, 'd.$1')}`;

/** Where node-gyp-build looks, of every binary that there may be. */
const BINARY =
  /^prebuilds\/(darwin-(arm64|x64)\/metal-sgd|linux-(arm64|x64)\/metal-sgd\.(glibc|musl)|win32-x64\/metal-sgd)\.node$/;

describe('the tarball', () => {
  const folder = packageIn(newProject());
  const files = filesBelow(folder);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string> | undefined
  >;

  test('holds the library in one file, its types, the sources of the addon, papers, binaries, and nothing else', () => {
    const library = [...JAVASCRIPT, ...inGit('lib').map(declarationsOf)];
    const sources = inGit('binding', 'native', 'CMakeLists.txt', 'cmake');
    const papers = [
      ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'THIRD-PARTY-NOTICES.md', 'package.json'],
      ...inGit('docs').filter((file) => !INTERNAL.includes(file)),
    ];
    // A file too many in dist is one that lib no longer makes: remove dist, and build.
    expect(files.filter((file) => !file.startsWith('prebuilds/'))).toEqual([...library, ...sources, ...papers].sort());
    const binaries = files.filter((file) => file.startsWith('prebuilds/'));
    expect(binaries.filter((file) => !BINARY.test(file))).toEqual([]);
    expect(binaries.filter((file) => file.includes(`/${process.platform}-${process.arch}/`))).not.toEqual([]);
  });

  const documents = files.filter((file) => file.endsWith('.md'));

  test.each(documents)('%s links to files and headings that the package holds', (document) => {
    const dead = linksOf(readFileSync(join(folder, document), 'utf8')).filter((link) => {
      const [path, anchor] = link.split('#') as [string, string | undefined];
      const target = path === '' ? document : join(dirname(document), path).replaceAll('\\', '/');
      if (!files.includes(target)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(join(folder, target), 'utf8')).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  test('is under 3 MB with all seven binaries', () => {
    const compressed = (file: string): number => gzipSync(readFileSync(join(folder, file)), { level: 9 }).length;
    const binaries = files.filter((file) => BINARY.test(file)).map(compressed);
    const rest = statSync(TARBALL).size - binaries.reduce((sum, size) => sum + size, 0);
    expect(rest + 7 * Math.max(...binaries)).toBeLessThan(3 * MEBIBYTE);
    expect(statSync(TARBALL).size).toBeLessThan(3 * MEBIBYTE);
  });

  test('runs nothing at installation, and brings the loader alone', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare'];
    expect(Object.keys(manifest['scripts'] ?? {}).filter((name) => hooks.includes(name))).toEqual([]);
    expect(manifest['gypfile']).toBeUndefined();
    expect(existsSync(join(folder, 'binding.gyp'))).toBe(false);
    expect(Object.keys(manifest['dependencies'] ?? {})).toEqual(['node-gyp-build']);
    const installed = readdirSync(join(folder, '..')).filter((name) => !name.startsWith('.'));
    expect(installed).toEqual(['metal-sgd', 'node-gyp-build']);
  });

  test('names no folder of the machine that made it', () => {
    const naming = files.filter((file) => readFileSync(join(folder, file)).includes(ROOT));
    expect(naming).toEqual([]);
  });
});

test('publint has nothing to say', () => {
  expect(output(ROOT, [...tool('publint/src/cli.js'), 'run', TARBALL, '--strict'])).toContain('All good!');
});

test('arethetypeswrong finds no problem, for any resolution', () => {
  const report = output(emptyFolder(), [...tool('@arethetypeswrong/cli/dist/index.js'), TARBALL, '--format', 'json']);
  const { analysis } = JSON.parse(report) as { analysis: { types: unknown; problems: unknown[] } };
  expect(analysis).toMatchObject({ types: { kind: 'included' }, problems: [] });
});
