// The scripts of a release: what they refuse, and what they tell npm and GitHub to do.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolders } from '../helpers/folders';
import { type Run, runRelease as run, standIns } from '../helpers/releaseScript';

const newFolder = temporaryFolders();

describe('check-version', () => {
  /** What may be changed of a repository that is ready. */
  const READY = {
    tag: 'v1.2.3',
    version: '1.2.3',
    lock: '1.2.3',
    changelog:
      '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n### Added\n\n- A thing.\n\n## [1.2.2] - 2025-01-01\n',
    repository: undefined as unknown,
    env: {} as Record<string, string>,
  };

  function check(changes: Partial<typeof READY>): Run {
    const { tag, version, lock, changelog, repository, env } = { ...READY, ...changes };
    const folder = newFolder();
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version, repository }));
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ version: lock, packages: { '': { version: lock } } }),
    );
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
    return run('check-version.mjs', tag === '' ? [] : [tag], folder, env);
  }

  test('passes where all agree, with the tag as an argument or from GitHub', () => {
    const passed = { status: 0, stdout: 'check-version: v1.2.3 of 2026-01-31\n', stderr: '' };
    expect(check({})).toEqual(passed);
    expect(check({ tag: '', env: { GITHUB_REF_NAME: 'v1.2.3' } })).toEqual(passed);
  });

  const repository = { env: { GITHUB_REPOSITORY: 'Owner/name' } };
  test.each([
    ['another tag', { tag: 'v1.2.4' }, "the tag: expected v1.2.3, as package.json says, received 'v1.2.4'"],
    ['a tag without v', { tag: '1.2.3' }, 'the tag: expected v1.2.3'],
    ['no tag', { tag: '' }, "the tag: expected v1.2.3, as package.json says, received ''"],
    ['another version in the lock file', { lock: '1.2.2' }, 'package-lock.json: expected version 1.2.3'],
    [
      'no section for what is not released',
      { changelog: '## [1.2.3] - 2026-01-31\n\n- A.\n' },
      'expected [Unreleased] first',
    ],
    [
      'something not released',
      { changelog: '## [Unreleased]\n\n- B.\n\n## [1.2.3] - 2026-01-31\n\n- A.\n' },
      'expected nothing under [Unreleased]',
    ],
    [
      'another version on top',
      { version: '1.3.0', lock: '1.3.0', tag: 'v1.3.0' },
      'expected [1.3.0] below [Unreleased]',
    ],
    ['no date', { changelog: '## [Unreleased]\n\n## [1.2.3]\n\n- A.\n' }, 'expected [1.2.3] - YYYY-MM-DD'],
    ['no day', { changelog: '## [Unreleased]\n\n## [1.2.3] - 2026-02-31\n\n- A.\n' }, "received '2026-02-31'"],
    ['a day to come', { changelog: '## [Unreleased]\n\n## [1.2.3] - 2999-01-31\n\n- A.\n' }, 'a day that has come'],
    [
      'nothing to tell',
      { changelog: '## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n' },
      'expected something under [1.2.3]',
    ],
    ['no changelog at all', { changelog: '# Changelog\n' }, 'received [undefined]'],
    ['no repository for npm', repository, 'expected a repository.url that ends in github.com/Owner/name'],
    [
      'another repository',
      { ...repository, repository: { url: 'git+https://github.com/other/name.git' } },
      'repository.url',
    ],
  ])('fails on %s', (_, changes, message) => {
    const { status, stderr } = check(changes);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  test.each(['git+https://github.com/owner/name.git', 'https://github.com/Owner/name'])('takes %s', (url) => {
    expect(check({ ...repository, repository: { type: 'git', url } }).stderr).toBe('');
  });

  test('says all at once', () => {
    expect(check({ tag: 'v9', lock: '0.0.1' }).stderr.trim().split('\n')).toHaveLength(2);
  });
});

describe('publish', () => {
  /** Publishes a package of this version with a stand-in for npm. */
  function publish(
    version: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Run & { calls: string[] } {
    const folder = newFolder();
    mkdirSync(join(folder, 'package'));
    writeFileSync(join(folder, 'package', 'package.json'), JSON.stringify({ name: 'metal-sgd', version }));
    spawnSync('tar', ['-czf', 'it.tgz', 'package'], { cwd: folder });
    const userConfig = 'while [ $# -gt 0 ]; do [ "$1" = --userconfig ] && cat "$2"; shift; done';
    const npm = standIns(newFolder(), {
      npm: `case $1 in config) echo https://registry.example/;; *) ${userConfig}; exit "\${FAKE_STATUS:-0}";; esac`,
    });
    const ended = run('publish.mjs', ['it.tgz', ...args], folder, { ...npm.env, ...env });
    return { ...ended, calls: npm.calls().map((call) => call.replaceAll(folder, '')) };
  }

  test('states where it was built, as a trusted publisher', () => {
    const { status, stdout, calls } = publish('1.2.3', []);
    expect({ status, calls }).toEqual({
      status: 0,
      calls: ['npm publish /it.tgz --access public --tag latest --provenance'],
    });
    expect(stdout).toContain('metal-sgd 1.2.3, as a trusted publisher');
  });

  test('takes a token from the environment, which no file and no command line holds', () => {
    const { stdout, calls } = publish('1.2.3', [], { NPM_TOKEN: 'geheim' });
    expect(stdout).toContain('//registry.example/:_authToken=${NPM_TOKEN}');
    expect(calls.at(-1)).toMatch(/--provenance --userconfig \S+npmrc$/);
    expect(calls.join('')).not.toContain('geheim');
  });

  test('gives a version before a version no one who did not ask', () => {
    expect(publish('1.3.0-beta.1', []).calls.at(-1)).toContain('--tag next');
  });

  test('states nothing in a trial', () => {
    expect(publish('1.2.3', ['--dry-run']).calls.at(-1)).toMatch(/--tag latest --dry-run --provenance=false$/);
  });

  test('fails as npm does', () => {
    expect(publish('1.2.3', [], { FAKE_STATUS: '7' }).status).toBe(7);
  });
});

describe('github-release', () => {
  const CHANGELOG = '## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n- A thing.\n\n## [1.2.2] - 2025-01-01\n\n- Old.\n';

  function release(tag: string): Run & { calls: string[] } {
    const folder = newFolder();
    writeFileSync(join(folder, 'it.tgz'), 'bytes');
    writeFileSync(join(folder, 'CHANGELOG.md'), CHANGELOG);
    const notes = 'while [ $# -gt 0 ]; do [ "$1" = --notes-file ] && cat "$2"; last=$1; shift; done; cat "$last"';
    const gh = standIns(newFolder(), { gh: notes });
    const ended = run('github-release.mjs', ['it.tgz'], folder, { ...gh.env, GITHUB_REF_NAME: tag });
    return { ...ended, calls: gh.calls() };
  }

  test('has the changelog’s text, the tarball and its checksum', () => {
    const { status, stdout, calls } = release('v1.2.3');
    expect(status).toBe(0);
    expect(calls).toEqual([
      expect.stringMatching(
        /^gh release create v1\.2\.3 --verify-tag --title v1\.2\.3 --notes-file \S+ \S+it\.tgz \S+SHA256SUMS$/,
      ),
    ]);
    expect(stdout).toMatch(/^- A thing\./);
    expect(stdout).not.toContain('Old');
    expect(stdout).toContain('277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9  it.tgz\n');
  });

  test('fails for a tag that the changelog does not know', () => {
    const { status, stderr, calls } = release('v99.0.0');
    expect({ status, calls }).toEqual({ status: 1, calls: [] });
    expect(stderr).toContain("received 'v99.0.0'");
  });
});
