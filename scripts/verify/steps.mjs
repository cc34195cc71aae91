// Steps of `npm run verify`: `{ name, outcome, note, list }`, where `outcome` is passed, failed or incomplete.
import { stripVTControlCharacters } from 'node:util';

/** What Metal's validation layers complained of. Other parts of the system write lines of their own. */
export function complaintsIn(stderr) {
  const complaint = /validation|failed assertion|invalid device (load|store)/i;
  return stderr.split('\n').filter((line) => complaint.test(line) && !/validation enabled/i.test(line));
}

/** The tests that failed, with their files, from what Jest printed. It prints each twice. */
export function failedTestsIn(output) {
  let file = '';
  const failed = new Set();
  for (const line of output.split('\n')) {
    file = /^FAIL (\S+)/.exec(line)?.[1] ?? file;
    const test = /^ {2}● (.+)$/.exec(line)?.[1];
    if (test) failed.add(`${file}: ${test}`);
  }
  return [...failed];
}

/** A step that was a run of a program. */
export function stepOfRun(name, { status, ended, stdout, stderr }) {
  const output = stripVTControlCharacters(stdout + stderr);
  const failed = failedTestsIn(output);
  const summary = /^Tests: +(.+)$/m.exec(output)?.[1] ?? '';
  if (ended) return { name, outcome: 'incomplete', note: ended, list: failed };
  if (status === 0) return { name, outcome: 'passed', note: summary };
  if (failed.length > 0) return { name, outcome: 'failed', note: summary, list: failed, failedTests: failed.length };
  const lines = output.split('\n').filter((line) => line.trim());
  return { name, outcome: 'failed', note: `status ${status}`, list: lines.slice(-5) };
}

/** A step that was a question to a child. `fault` says what is wrong with its result; nothing if it is right. */
export function stepOfAnswer(name, { result, failure, crashed }, fault) {
  if (failure) return { name, outcome: crashed ? 'incomplete' : 'failed', note: failure };
  const note = fault(result);
  return { name, outcome: note ? 'failed' : 'passed', note };
}
