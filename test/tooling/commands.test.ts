// Every command that a document names is run by CI or by the long tests, or a table says why not.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { evaluateAfter } from '../helpers/evaluate';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

const SET_UP = `
  const { problemsOf, repository } = await import('./scripts/test/commands/check.mjs');
  const { commandsIn } = await import('./scripts/test/commands/text.mjs');
  const { problemOf } = await import('./scripts/test/commands/run.mjs');
  const now = repository();`;

/** The value of an expression over scripts/test/commands; `data` and the repository's `now` are in its sight. */
const evaluate = (expression: string, data?: unknown): unknown => evaluateAfter(SET_UP, expression, data);

test('nothing that a document names rots', () => {
  const output = execFileSync(process.execPath, ['scripts/test/commands.mjs', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(Number(/^(\d+) commands of documents have somebody who runs them/m.exec(output)?.[1])).toBeGreaterThan(50);
});

describe('commands are found', () => {
  const found = (...lines: readonly string[]): unknown => evaluate('commandsIn(data)', lines.join('\n'));

  test('in blocks of shell, without comments, prompts and separators', () => {
    expect(found('```sh', 'npm ci && VAR=1 npm start   # trains', 'strange --tool', '', '# nothing', '```')).toEqual([
      'npm ci',
      'VAR=1 npm start',
      'strange --tool',
    ]);
    expect(found('- so:', '  ~~~bash', '  npm run a -- \\', '    --long | tee x; npm run b', '  ~~~')).toEqual([
      'npm run a -- --long',
      'tee x',
      'npm run b',
    ]);
    expect(found('```console', '$ npm run a', 'npm run output', '```')).toEqual(['npm run a']);
  });

  test('in blocks without a language and in indented ones, where they look like ours', () => {
    expect(found('```', 'npm run a', "g' = g + wd·w", '```', '', '    node x.mjs', '    w = 1')).toEqual([
      'npm run a',
      'node x.mjs',
    ]);
  });

  test('in inline code, also over two lines, in tables and in quotation marks', () => {
    expect(found('Run `npm run', 'a -- NAME`, ``npm `x` ``, `scripts/a.sh`, `node scripts/b.mjs`, `.ci/run`.')).toEqual(
      ['npm run a -- NAME', 'npm `x`', 'scripts/a.sh', 'node scripts/b.mjs', '.ci/run'],
    );
    expect(found('| `npm run a \\| tee "b && c # d"` | does it |')).toEqual(['npm run a', 'tee "b && c # d"']);
  });

  test('and nothing else is', () => {
    expect(found('`npm`, `node:22-slim`, `scripts/release`, `scripts/a.mjs`, `node_modules`, npm run a')).toEqual([]);
    expect(found('```js', 'npm run a', '```', '```python', 'python3 x.py', '```')).toEqual([]);
  });
});

describe('it is noticed', () => {
  const problems = (change: string, data: unknown = null): unknown =>
    evaluate(`problemsOf({ ...now, ${change} })`, data);
  const documented = (text: string): unknown => problems("documents: now.documents.set('docs/new.md', data)", text);

  test('that a document names a command that nobody runs', () => {
    for (const command of ['npm run docs -- --watch', 'npm run nonesuch', 'node scripts/new.mjs', 'docker build x']) {
      const expected = [`docs/new.md names a command that nobody runs: ${command}`];
      expect(documented(`\`${command}\``)).toEqual(expected);
      expect(documented(`\`\`\`sh\nnpm test && ${command}\n\`\`\``)).toEqual(expected);
    }
    expect(documented('`npm test`, `npm run docs` and `npm run test:long`')).toEqual([]);
  });

  test('that CI or the long tests run a command no more', () => {
    const gone = problems("ci: now.ci.replace('npm run test:interop', '')");
    expect(gone).toContain('CONTRIBUTING.md names a command that nobody runs: npm run test:interop');
    const without = (script: string, text: string): unknown =>
      problems(`scripts: { ...now.scripts, '${script}': now.scripts['${script}'].replace(data, 'true') }`, text);
    expect(without('test:long', 'npm run mutants')).toContain(
      'CONTRIBUTING.md names a command that nobody runs: npm run mutants',
    );
    expect(without('test:long', 'npm run test:platforms')).toContain(
      'package.json has a script that nobody runs: test:platforms',
    );
  });

  test('that CI runs no more what the table leaves to it', () => {
    const gone = problems("ci: now.ci.replace('npm run test:commands', '')") as string[];
    expect(gone).toContain('package.json has a script that nobody runs: docs');
    expect(gone).toContain('the row of npm run docs: nobody runs npm run docs');
    expect(gone).not.toContain('package.json has a script that nobody runs: verify');
  });

  test.each([
    ['that no document names', { names: 'npm run docs -- --old', not: 'it is old' }, 'no document names it'],
    ['that there are two of', { names: 'npm run docs', not: 'it is late' }, 'there are two'],
    ['that says nothing', { names: 'npm run docs' }, 'expected one of run, doneBy and not'],
    ['that says two things', { names: 'npm run docs', run: 'ci', not: 'no' }, 'expected one of run, doneBy and not'],
    ['of another time', { names: 'npm run docs', run: 'weekly' }, 'run: expected ci or long, received weekly'],
    ['of a command that CI has', { names: 'npm test', not: 'no' }, 'CI or the long tests have a line for it'],
    ['that trusts nobody', { names: 'npm pack', doneBy: 'npm run nonesuch' }, 'nobody runs npm run nonesuch'],
    ['that trusts no test', { names: 'npm pack', doneBy: 'test/no.test.ts' }, 'there is no test/no.test.ts'],
    [
      'that trusts a test of something else',
      { names: 'npm run docs', doneBy: 'test/tooling/release.test.ts' },
      'test/tooling/release.test.ts does not speak of it',
    ],
  ])('that the table has a row %s', (_, row, problem) => {
    expect(problems('table: [...now.table, data]', row)).toContainEqual(
      expect.stringContaining(`the row of ${row.names}: ${problem}`),
    );
  });

  test('that a stand-in calls a script that does not exist', () => {
    const rows = "table: now.table.map((row) => (row.names === data ? { ...row, as: 'npm run nonesuch' } : row))";
    expect(problems(rows, 'npm run docs')).toContain('package.json has no script nonesuch');
  });
});

/** What git may not take from the settings of whoever runs the test. */
const MINE = ['user.name=a', 'user.email=a@b', 'commit.gpgSign=false', 'core.hooksPath=/dev/null'].flatMap(
  (setting) => ['-c', setting],
);

describe('a command of the table', () => {
  const folder = newFolder();
  beforeAll(() => {
    const git = (...args: string[]): unknown => execFileSync('git', [...MINE, ...args], { cwd: folder });
    writeFileSync(join(folder, 'kept.txt'), 'as it is');
    writeFileSync(join(folder, '.gitignore'), 'made.txt');
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '--message', 'A start');
  });
  const run = (row: object): unknown => {
    const { problem } = evaluate('problemOf(data[0], data[1])', [row, folder]) as { problem?: string };
    return problem;
  };

  test('passes if it does what its row says', () => {
    expect(run({ names: 'echo text && echo more > made.txt', makes: 'made.txt', prints: 'text' })).toBeUndefined();
    expect(run({ names: 'exit 1', as: 'exit 0' })).toBeUndefined();
  });

  test.each([
    ['fails', { names: 'exit 3' }, 'status 3'],
    ['is killed', { names: 'kill -9 $$' }, 'ended by SIGKILL'],
    ['leaves an old file', { names: 'true', makes: 'made.txt' }, 'it made no made.txt'],
    ['prints something else', { names: 'echo tax', prints: 'text' }, "it did not print 'text'"],
    ['changes a file', { names: 'echo other > kept.txt' }, 'it changed the working tree'],
    ['changes it again', { names: 'echo another > kept.txt' }, 'it changed the working tree'],
    ['leaves a new file', { names: 'echo x > new.txt' }, 'it changed the working tree'],
  ])('fails if it %s', (_, row, problem) => {
    writeFileSync(join(folder, 'made.txt'), 'old');
    expect(run(row)).toBe(problem);
  });
});
