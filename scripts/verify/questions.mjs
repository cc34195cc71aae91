// The open questions and the peaks of memory bandwidth, read from docs/on-a-mac.md, and the answers to the former.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';

const text = readFileSync(join(root, 'docs', 'on-a-mac.md'), 'utf8');

/** `{ id, question, command, place }` of each open question, in the order of the document. */
export const questions = text
  .split(/^### /m)
  .slice(1)
  .map((section) => {
    const [, id, question] = /^`([\w-]+)` (.+)$/m.exec(section);
    const entry = (name) => new RegExp(`^- ${name}: ((?:.+\n(?=  ))*.+)$`, 'm').exec(section)[1].replace(/\s+/g, ' ');
    return { id, question, command: entry('Settle it with'), place: entry('The answer belongs in') };
  });

/** Peaks of a chip's memory in GB/s, the lowest first; empty if the document has none. */
export function peaksOf(chip) {
  const rows = [...text.matchAll(/^\| (Apple M[^|]+?) \| (\d+)(?: or (\d+))? \|/gm)];
  const row = rows.find(([, name]) => name === chip);
  return row ? row.slice(2).filter(Boolean).map(Number) : [];
}

/** The goal: this share of the peak, for this many elements and more. */
export const GOAL = { share: 0.8, elements: 2 ** 24 };

/** The slowest of the large steps on the GPU as a share of the lowest peak; undefined where either is not known. */
export function shareOfPeak({ chip, timing }) {
  const [peak] = peaksOf(chip);
  const speeds = (timing?.large ?? []).filter(({ elements }) => elements >= GOAL.elements);
  if (peak === undefined || speeds.length === 0) return undefined;
  return Math.min(...speeds.map(({ gpu }) => gpu.gigabytesPerSecond)) / peak;
}

const ms = (value) => `${value.toPrecision(3)} ms`;
const percent = (share) => `${(share * 100).toFixed(0)} %`;

function selfTests({ correctness }, ...dtypes) {
  const tests = correctness?.selfTests?.filter(({ dtype }) => dtypes.includes(dtype));
  if (!tests) return undefined;
  const failed = tests.filter(({ passed }) => !passed);
  return failed.length === 0 ? 'Yes.' : `No: ${failed.map(({ dtype, message }) => `${dtype}: ${message}`).join('; ')}`;
}

function validation({ suite, complaints, simulated }) {
  if (simulated) return undefined; // the simulator has rules of its own
  if (complaints.length > 0) return `No: ${complaints.join('; ')}`;
  if (suite === undefined) return undefined;
  return suite.passed ? 'Yes: it ended nothing, and said nothing of the self-test.' : 'Not clear: the suite failed.';
}

/** One answer for each id, in words; undefined where this run can't tell. */
export const answers = {
  rounding: (found) => selfTests(found, 'float32'),
  'sixteen-bit': (found) => selfTests(found, 'float16', 'bfloat16'),
  subnormals: ({ correctness }) => correctness?.subnormals && `They are ${correctness.subnormals}.`,
  'tiny-products': ({ correctness }) => {
    const found = correctness?.tinyProducts;
    return found && `On the GPU it is ${found.gpu}, on the CPU ${found.cpu}.`;
  },
  compiler: ({ timing }) => timing && `Yes; the first step took ${ms(timing.first.took)} in all.`,
  'page-alignment': ({ correctness }) =>
    correctness && `${correctness.onPages} of 64 growable buffers started on a page of 16 KiB.`,
  'no-copy': ({ correctness }) => {
    const [test] = correctness?.selfTests ?? [];
    return test?.passed ? (test.copiedBytes === 0 ? 'Yes.' : `No: ${test.copiedBytes} bytes were copied.`) : undefined;
  },
  validation,
  bandwidth: (found) => {
    const share = shareOfPeak(found);
    if (share === undefined) return undefined;
    return `${share >= GOAL.share ? 'Yes' : 'No'}: ${percent(share)} of ${peaksOf(found.chip)[0]} GB/s.`;
  },
  'submit-cost': ({ timing }) =>
    timing && `${ms(timing.small.gpu.p50)}; on the CPU ${ms(timing.small.cpu.p50)} (medians).`,
  crossover: ({ timing }) => {
    if (!timing) return undefined;
    const { crossover, most } = timing;
    return crossover === null ? `From none up to ${most} elements.` : `From ${crossover} elements on, or a few less.`;
  },
  'event-loop': ({ timing }) =>
    timing &&
    `The first step: ${ms(timing.first.p99)} for 99 of 100 delays, ${ms(timing.first.most)} the longest; later ones: ` +
      `${ms(timing.later.p99)}, ${ms(timing.later.most)}.`,
  'cross-built': ({ crossBuilt }) => crossBuilt && (crossBuilt.failure ? `No: ${crossBuilt.failure}` : 'Yes.'),
  geometry: () => undefined,
  'hazard-tracking': () => undefined,
  watchdog: () => undefined,
  messages: () => undefined,
  unload: () => undefined,
  'default-device': () => undefined,
  'auto-under-failure': () => undefined,
};

const unmatched = [
  ...questions.filter(({ id }) => !(id in answers)).map(({ id }) => `no answer is known for the question ${id}`),
  ...Object.keys(answers)
    .filter((id) => !questions.some((question) => question.id === id))
    .map((id) => `no question of docs/on-a-mac.md has the answer ${id}`),
];
if (unmatched.length > 0) throw new Error(unmatched.join('; '));
