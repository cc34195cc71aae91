// The mutants of test/mutants, read and checked.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../lib/run.mjs';

/**
 * A bug: `find` stands once in `file` and becomes `replace` (or each of `edits`). The test file `caughtBy` must then fail.
 * `needs` names an instruction set without which the code never runs.
 *
 * @typedef {{ name: string, why: string, file: string, find?: string, replace?: string,
 *   edits?: { find: string, replace: string }[], caughtBy: string, needs?: string, data?: string }} Mutant
 */

const FOLDER = 'test/mutants';

/** Every mutant, with the file that holds it as `data`. */
export async function allMutants() {
  const files = readdirSync(join(root, FOLDER)).filter((file) => file.endsWith('.mjs'));
  const rooms = await Promise.all(
    files.sort().map(async (file) => {
      const { default: mutants } = await import(pathToFileURL(join(root, FOLDER, file)).href);
      return mutants.map((mutant) => ({ ...mutant, data: `${FOLDER}/${file}` }));
    }),
  );
  return rooms.flat();
}

/** The edits of a mutant. */
export function editsOf({ find, replace, edits = [{ find, replace }] }) {
  return edits;
}

/** What is wrong with the data, in words: texts that are not found exactly once, tests that do not exist, equal names. */
export function problemsOf(mutants) {
  const names = mutants.map(({ name }) => name);
  const twice = names
    .filter((name, i) => names.indexOf(name) !== i)
    .map((name) => `${name}: two mutants have this name`);
  return [...twice, ...mutants.flatMap(problemsOfOne)];
}

function problemsOfOne(mutant) {
  const { name, file, caughtBy } = mutant;
  if (!existsSync(join(root, caughtBy))) return [`${name}: its test ${caughtBy} does not exist`];
  if (!existsSync(join(root, file))) return [`${name}: its file ${file} does not exist`];
  const text = readFileSync(join(root, file), 'utf8');
  return editsOf(mutant).flatMap(({ find, replace }) => {
    const count = text.split(find).length - 1;
    if (find === replace) return [`${name}: it changes nothing`];
    return count === 1 ? [] : [`${name}: ${file} holds its text ${count} times, not once: ${JSON.stringify(find)}`];
  });
}

/** The text of a file with the bug in it. */
export function mutated(text, mutant) {
  return editsOf(mutant).reduce((changed, { find, replace }) => changed.replace(find, () => replace), text);
}

/** Those whose source, test or own text changed since a commit; the working tree counts. */
export async function changedSince(commit, mutants) {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
  const changed = new Set([
    ...git('diff', '--name-only', commit),
    ...git('ls-files', '--others', '--exclude-standard'),
  ]);
  return mutants.filter((mutant) => {
    if (changed.has(mutant.file) || changed.has(mutant.caughtBy)) return true;
    return changed.has(mutant.data) && !holds(commit, mutant);
  });
}

/** True if the data file held this very mutant at the commit. */
function holds(commit, { data, name, why, ...rest }) {
  let before;
  try {
    before = execFileSync('git', ['show', `${commit}:${data}`], { cwd: root, encoding: 'utf8' });
  } catch {
    return false;
  }
  const texts = [name, ...editsOf(rest).flatMap(({ find, replace }) => [find, replace])];
  const unescaped = before.replaceAll("\\'", "'").replaceAll('\\n', '\n');
  return why !== undefined && texts.every((text) => unescaped.includes(text));
}
