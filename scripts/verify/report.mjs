// What a run of `npm run verify` found, as the text of verify-report.md: short enough for a chat message.
import { renameSync, writeFileSync } from 'node:fs';
import { answerTo, GOAL, peaksOf, questions, speedsOf } from './questions.mjs';

/** The most characters of a cell or line, failed tests of a step, and phrases of the verdict. */
const MOST = { characters: 300, listed: 7, phrases: 3 };

const number = (value) => value.toPrecision(3);

/** In one line, in a table or out of it. */
function plain(text) {
  const line = String(text).replace(/\s+/g, ' ').replaceAll('|', '\\|');
  return line.length > MOST.characters ? `${line.slice(0, MOST.characters)}…` : line;
}

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(plain).join(' | ')} |`).join('\n');

/** The first few, and how many there are besides. */
function cut(items, most) {
  return items.length > most ? [...items.slice(0, most), `… and ${items.length - most} more`] : items;
}

const phrase = ({ name, outcome, note, failedTests }) => {
  if (outcome === 'incomplete') return `${name}: ${note}`;
  return failedTests ? `${failedTests} of ${name} failed` : `${name} failed`;
};

/** Questions whose process did not end by itself. */
const crashes = ({ answers }) =>
  Object.entries(answers)
    .filter(([, { crashed }]) => crashed)
    .map(([id, { failure }]) => ({ name: `the question ${id}`, outcome: 'incomplete', note: failure }));

/** PASS, FAIL or INCOMPLETE, and why. */
export function verdictOf(found) {
  const wrong = [...found.steps, ...crashes(found)].filter(({ outcome }) => outcome !== 'passed');
  const failed = wrong.filter(({ outcome }) => outcome === 'failed');
  const why = cut([...failed, ...wrong.filter((step) => !failed.includes(step))].map(phrase), MOST.phrases).join(', ');
  if (failed.length > 0) return `FAIL: ${plain(why)}`;
  if (wrong.length > 0) return `INCOMPLETE: ${plain(why)}`;
  const gpu = found.simulated ? 'the simulated GPU' : 'the GPU of this Mac';
  return `PASS: ${gpu} computes as the CPU does${found.quick ? '; a quick run, without the test suite' : ''}`;
}

function stepLines({ name, outcome, note, list = [] }) {
  const word = outcome === 'passed' ? outcome : `**${outcome}**`;
  const lines = cut(list, MOST.listed).map((line) => `  - ${plain(line)}`);
  return [`- ${name}: ${word}${note ? `: ${plain(note)}` : ''}`, ...lines];
}

function speeds({ answers, chip }) {
  const measured = answers.bandwidth?.result;
  const peak = peaksOf(chip).join(' or ');
  const goal = `The goal is ${GOAL.share * 100} % of it for ${GOAL.elements} elements and more; a slower GPU fails nothing.`;
  const head = `The peak of this memory is ${peak ? `${peak} GB/s` : 'not known'}. ${goal}`;
  if (!measured) return `${head} Not measured.`;
  const shareOf = ({ gigabytesPerSecond }) =>
    peak ? `${((gigabytesPerSecond / peaksOf(chip)[0]) * 100).toFixed(0)} %` : '?';
  const rows = speedsOf(measured).map(({ elements, cpu, gpu }) => [
    elements,
    ...[cpu, gpu].flatMap((run) => [number(run.milliseconds), number(run.gigabytesPerSecond), shareOf(run)]),
  ]);
  const columns = ['CPU', 'GPU'].flatMap((device) => [`${device}, ms`, 'GB/s', 'of the peak']);
  return `${head}\n\n${table(['float32 elements, momentum', ...columns], rows)}`;
}

/** The whole report. */
export function reportOf(found) {
  const parts = [
    verdictOf(found),
    found.simulated && 'Made over the simulator on Linux: nothing here is about a real GPU, its speeds mean nothing.',
    Object.entries(found.machine)
      .map(([name, value]) => `- ${name}: ${plain(value)}`)
      .join('\n'),
    `## Steps\n\n${found.steps.flatMap(stepLines).join('\n')}`,
    '## Open questions of docs/on-a-mac.md',
    table(
      ['', 'question', 'answer'],
      questions.map((one) => [`\`${one.id}\``, one.question, answerTo(one, found)]),
    ),
    `## Speed\n\n${speeds(found)}`,
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

/** Never leaves half a report: whoever ends the process finds the whole one or none. */
export function writeReport(path, found) {
  writeFileSync(`${path}.part`, reportOf(found));
  renameSync(`${path}.part`, path);
}
