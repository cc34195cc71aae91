// Who runs the commands that documents name.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../lib/run.mjs';
import { lineOf, TABLE } from './table.mjs';
import { commandsIn, commandsOf } from './text.mjs';

const read = (file) => readFileSync(join(root, file), 'utf8');

/** All that the check compares; a test changes a part of it. */
export function repository() {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', '**/*.md'];
  const files = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).trim().split('\n');
  return {
    documents: new Map(files.filter((file) => existsSync(join(root, file))).map((file) => [file, read(file)])),
    ci: read('.ci/run'),
    scripts: JSON.parse(read('package.json')).scripts,
    table: TABLE,
  };
}

/** Each command that documents name, with one that names it. */
export const namedIn = (documents) =>
  new Map([...documents].flatMap(([file, text]) => commandsIn(text).map((command) => [command, file])));

const NPM = /^(?:\w+=\S+ )*npm (?:run (?<run>\S+)|(?<own>test|start)\b)(?: -- (?<rest>.*))?/;

/** The npm script that a command runs, if any, and what is handed to it. */
function scriptOf(command) {
  const { run, own, rest = '' } = NPM.exec(command)?.groups ?? {};
  return { name: run ?? own, rest };
}

/** Every command that CI and the long tests run, through npm scripts and the table. */
export function reached({ ci, scripts, table }) {
  const found = new Set();
  const visit = (command) => {
    if (found.has(command)) return;
    found.add(command);
    const { name, rest } = scriptOf(command);
    if (name in scripts) commandsOf(`${scripts[name]} ${rest}`).forEach(visit);
    const ours = /^node scripts\/test\/commands\.mjs(?: --(long))?$/.exec(command);
    if (ours)
      table.filter(({ run }) => run === (ours[1] ?? 'ci')).forEach((row) => commandsOf(lineOf(row)).forEach(visit));
  };
  ['.ci/run', ...commandsOf(ci), 'npm run test:long'].forEach(visit);
  return found;
}

/** What is wrong with a row of the table, in words. */
function problemsOfRow(row, { named, runs, alone }) {
  const { names, run, doneBy, not } = row;
  const problems = [];
  if ([run, doneBy, not].filter(Boolean).length !== 1) problems.push('expected one of run, doneBy and not');
  if (run && !['ci', 'long'].includes(run)) problems.push(`run: expected ci or long, received ${run}`);
  if (run && !commandsOf(lineOf(row)).every((command) => runs.has(command)))
    problems.push(`nobody runs ${lineOf(row)}`);
  if (!named.has(names)) problems.push('no document names it');
  if (alone.has(names)) problems.push('CI or the long tests have a line for it: it needs no row');
  if (/^test\/.*\.test\.ts$/.test(doneBy)) {
    const word = /(?:npm run |(?:scripts|examples)\/(?:\S+\/)?)([\w-]+)/.exec(names)?.[1];
    if (!existsSync(join(root, doneBy))) problems.push(`there is no ${doneBy}`);
    else if (!word || !read(doneBy).includes(word)) problems.push(`${doneBy} does not speak of it`);
  } else if (doneBy && !runs.has(doneBy)) {
    problems.push(`nobody runs ${doneBy}`);
  }
  return problems.map((problem) => `the row of ${names}: ${problem}`);
}

/** Commands that a document names and nobody runs, rows that are wrong or needless, npm scripts that nobody runs. */
export function problemsOf(all) {
  const { documents, scripts, table } = all;
  const runs = reached(all);
  const alone = reached({ ...all, table: [] });
  const rows = table.map(({ names }) => names);
  const named = namedIn(documents);
  const unrun = [...named].filter(([command]) => !alone.has(command) && !rows.includes(command));
  const unknown = [...runs].map((command) => scriptOf(command).name).filter((name) => name && !(name in scripts));
  const idle = Object.keys(scripts).filter((name) => ![...runs].some((command) => scriptOf(command).name === name));
  return [
    ...unrun.map(([command, file]) => `${file} names a command that nobody runs: ${command}`),
    ...rows.filter((names, i) => rows.indexOf(names) !== i).map((names) => `the row of ${names}: there are two`),
    ...table.flatMap((row) => problemsOfRow(row, { named, runs, alone })),
    ...unknown.map((name) => `package.json has no script ${name}`),
    ...idle.map((name) => `package.json has a script that nobody runs: ${name}`),
  ];
}
