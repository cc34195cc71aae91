// What a run of `npm run verify` found, as the text of verify-report.md.
import { answers, GOAL, questions } from './questions.mjs';

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(String).join(' | ')} |`).join('\n');

const number = (value) => value.toPrecision(3);
/** In one line of a table. */
const plain = (text) => String(text).replace(/\s+/g, ' ').replaceAll('|', '\\|');

function machine({ machine }) {
  return table(
    ['', ''],
    Object.entries(machine).map(([name, value]) => [name, plain(value)]),
  );
}

function checks({ checks }) {
  const words = { true: 'passed', false: '**failed**', undefined: 'not judged' };
  return table(
    ['check', 'result', ''],
    checks.map(({ name, passed, note = '' }) => [name, words[String(passed)], plain(note)]),
  );
}

function selfTests({ correctness }) {
  const tests = correctness?.selfTests ?? [];
  return table(
    ['dtype', 'self-test'],
    tests.map(({ dtype, passed, message }) => [dtype, passed ? 'passed' : plain(message)]),
  );
}

function speeds({ timing }) {
  if (!timing) return 'Not measured.';
  const { large, small } = timing;
  const bytes = table(
    ['float32 elements', 'CPU, ms', 'CPU, GB/s', 'GPU, ms', 'GPU, GB/s'],
    large.map(({ elements, cpu, gpu }) => [
      elements,
      ...[cpu, gpu].flatMap((run) => [number(run.milliseconds), number(run.gigabytesPerSecond)]),
    ]),
  );
  const costs = table(
    [`a step of ${small.elements} elements`, 'CPU', 'GPU'],
    ['p50', 'p99'].map((name) => [`${name}, ms`, number(small.cpu[name]), number(small.gpu[name])]),
  );
  return `With momentum, 20 bytes per element. Medians.\n\n${bytes}\n\n${costs}`;
}

function answered(found) {
  return questions.map(({ id, question, command, place }) => {
    const answer = answers[id](found);
    const words =
      answer === undefined
        ? [`Not answered by this machine. Settle it with: ${command}`]
        : [`${found.simulated ? 'In the simulator: ' : ''}${plain(answer)}`, `The answer belongs in: ${place}`];
    return [`### \`${id}\` ${question}`, ...words].join('\n\n');
  });
}

/** The whole report. */
export function reportOf(found) {
  const notes = [
    found.simulated &&
      '**Made over the simulator on Linux: nothing here is about a real GPU, its speeds mean nothing.**',
    found.quick && 'A quick run: nothing was built, the suite was left out, sizes are small.',
  ];
  const failed = found.checks.filter(({ passed }) => passed === false).map(({ name }) => name);
  return (
    [
      '# metal-sgd on this machine',
      ...notes.filter(Boolean),
      failed.length === 0 ? 'No check failed.' : `Failed: ${failed.join(', ')}.`,
      `## Machine\n\n${machine(found)}`,
      `## Checks\n\n${checks(found)}`,
      `## Self-test\n\n${selfTests(found)}`,
      `## Speed\n\nThe goal on a Mac is ${GOAL.share * 100} % of the memory's peak for ${GOAL.elements} elements and more. ${speeds(found)}`,
      '## Open questions of docs/on-a-mac.md',
      ...answered(found),
    ].join('\n\n') + '\n'
  );
}
