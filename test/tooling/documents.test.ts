// What the documents name exists: files, headings, commands, environment variables, versions.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from '../helpers/child';
import { anchorsOf, linksOf } from '../helpers/markdown';

const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', '**/*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((file) => existsSync(join(ROOT, file)));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as { engines: { node: string }; scripts: Record<string, string> };

test('there are the documents that a reader looks for', () => {
  const forUsers = [
    'CHANGELOG.md',
    'SECURITY.md',
    'docs/install.md',
    'docs/api.md',
    'docs/recipes.md',
    'docs/errors.md',
  ];
  const forContributors = ['SECURITY.md', 'docs/on-a-mac.md', 'docs/performance.md', 'docs/releasing.md'];
  expect(documents).toEqual(expect.arrayContaining([...forUsers, ...forContributors, 'README.md', 'CONTRIBUTING.md']));
  expect(linksOf(read('README.md'))).toEqual(expect.arrayContaining(forUsers));
  expect(read('README.md')).toContain('`CONTRIBUTING.md`'); // not in the package, where a link would be dead
  expect(linksOf(read('CONTRIBUTING.md'))).toEqual(expect.arrayContaining(forContributors));
});

describe.each(documents)('%s', (file) => {
  const text = read(file);

  test('links to files and headings that exist', () => {
    const wrong = linksOf(text).filter((link) => {
      const [path, anchor] = link.split('#') as [string, string | undefined];
      const target = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(wrong).toEqual([]);
  });

  test('names commands that exist', () => {
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  test('names scripts and sources that exist, or that git ignores since a command makes them', () => {
    const generated = read('.gitignore').split('\n');
    const paths = text.matchAll(
      /(?<![\w/.@-])((?:lib|binding|native|scripts|test|docs|\.github)\/[\w./-]*\w)(?![\w*/]|\.\w)/g,
    );
    const missing = [...paths].map(([, path]) => path).filter((path) => !existsSync(join(ROOT, path)));
    expect(missing.filter((path) => !generated.includes(`${path}/`))).toEqual([]);
  });

  test('names environment variables that something reads', () => {
    const named = [...text.matchAll(/\bMETAL_SGD_[A-Z]+\b/g)].map(([name]) => name);
    const sources = execFileSync(
      'git',
      ['grep', '-hoE', 'METAL_SGD_[A-Z]+', '--', 'lib', 'scripts', 'cmake', 'CMakeLists.txt'],
      {
        cwd: ROOT,
        encoding: 'utf8',
      },
    );
    expect(named.filter((name) => !sources.split('\n').includes(name))).toEqual([]);
  });
});

describe('docs/install.md', () => {
  const text = read('docs/install.md');

  test('knows the platforms that there are binaries for', () => {
    const targets = [...read('scripts/lib/targets.mjs').matchAll(/^ {2}target\('(\w+)', '(\w+)'(?:, '(\w+)')?\)/gm)];
    expect(targets).toHaveLength(7);
    const rows: Record<string, string> = { darwin: 'macOS', linux: 'Linux with', win32: 'Windows' };
    const processors: Record<string, string> = { x64: 'x86-64|Intel', arm64: 'arm64|Apple silicon' };
    for (const [, platform, arch, libc = ''] of targets) {
      const row = new RegExp(`^\\| ${rows[platform]}${libc === '' ? '' : ` ${libc}`} \\| .*(${processors[arch]})`, 'm');
      expect(text).toMatch(row);
    }
  });

  test('has the versions that the sources have', () => {
    expect(text).toContain(`Node ${manifest.engines.node.replace('>=', '')} or newer`);
    const cmake = read('CMakeLists.txt');
    expect(text).toContain(`CMake ${/cmake_minimum_required\(VERSION ([\d.]+)/.exec(cmake)?.[1] ?? '?'} or newer`);
    expect(text).toContain(
      `macOS ${(/CMAKE_OSX_DEPLOYMENT_TARGET ([\d.]+)/.exec(cmake)?.[1] ?? '?').replace('.0', '')}`,
    );
    const loader = (JSON.parse(read('package.json')) as { dependencies: Record<string, string> }).dependencies;
    expect(text).toContain(`node-gyp-build@${loader['node-gyp-build']}`);
  });

  test('explains each thing that the loader says', () => {
    const loader = read('lib/addon/loader.ts');
    const said = [...text.matchAll(/^\| `([^`]+)`/gm)]
      .map(([, phrase]) => phrase)
      .filter((phrase) => !phrase.includes(':'));
    expect(said.length).toBeGreaterThan(5);
    const pieces = said.flatMap((phrase) => phrase.split('...')).map((piece) => piece.trim());
    const flat = loader.replaceAll(/\$\{[^}]*\}/g, '…');
    const unknown = pieces.filter(
      (piece) =>
        piece !== '' && !flat.includes(piece.replace('glibc, this Node runs on musl', '…, this Node runs on …')),
    );
    expect(unknown).toEqual([]);
  });
});
