// The open questions and the peaks of memory bandwidth, read from docs/on-a-mac.md, and how a run answers the former.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';

const text = readFileSync(join(root, 'docs', 'on-a-mac.md'), 'utf8');

/** `{ id, question, command }` of each open question, in the order of the document. */
export const questions = text
  .split(/^### /m)
  .slice(1)
  .map((section) => {
    const [, id, question] = /^`([\w-]+)` (.+)$/m.exec(section);
    const entry = (name) => new RegExp(`^- ${name}: ((?:.+\n(?=  ))*.+)$`, 'm').exec(section)[1].replace(/\s+/g, ' ');
    return { id, question, command: entry('Settle it with') };
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
export function shareOfPeak(chip, steps) {
  const [peak] = peaksOf(chip);
  const speeds = steps.filter(({ elements }) => elements >= GOAL.elements).map(({ gpu }) => gpu.gigabytesPerSecond);
  return peak === undefined || speeds.length === 0 ? undefined : Math.min(...speeds) / peak;
}

const BYTES_PER_ELEMENT = 20; // float32 with momentum

const median = (samples) => [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)];

function speedOf(elements, samples) {
  const milliseconds = median(samples);
  return { milliseconds, gigabytesPerSecond: (elements * BYTES_PER_ELEMENT) / milliseconds / 1e6 };
}

/** Speeds on CPU and GPU, from what bench/children/gpu.ts measured of `bandwidth`. */
export function speedsOf({ large }) {
  return large.map(({ elements, cpu, wall }) => ({
    elements,
    cpu: speedOf(elements, cpu),
    gpu: speedOf(elements, wall),
  }));
}

/** Speeds of examples/jax on its backends, and how far their losses are apart. */
function jax({ webgpu, wasm }) {
  if (!webgpu) return undefined;
  const failure = webgpu.failure ?? wasm.failure;
  if (failure) return `No: ${failure}`;
  const apart = Math.max(...webgpu.losses.map((loss, i) => Math.abs(loss - wasm.losses[i])));
  const [onGpu, onCpu] = [webgpu, wasm].map(({ stepsPerSecond }) => stepsPerSecond.toPrecision(3));
  const agree = apart <= 1e-4 ? 'Yes' : `No: losses are ${apart.toPrecision(1)} apart`;
  return `${agree}; ${onGpu} steps per second over WebGPU, ${onCpu} over WebAssembly.`;
}

const ms = (value) => `${value.toPrecision(3)} ms`;
const percent = (share) => `${(share * 100).toFixed(0)} %`;

function bandwidth(result, { chip }) {
  const share = shareOfPeak(chip, speedsOf(result));
  if (share === undefined) return undefined;
  return `${share >= GOAL.share ? 'Yes' : 'No'}: ${percent(share)} of ${peaksOf(chip)[0]} GB/s.`;
}

function coefficient({ differences, clipping, others }) {
  if (differences > 0) return `No, and ${differences} numbers differ.`;
  return `The bits are right. A step that clips takes ${ms(clipping)}, one that does not takes ${ms(others)} (medians).`;
}

function selfTests({ selfTests }, ...dtypes) {
  const tests = dtypes.map((dtype) => selfTests?.[dtype]).filter(Boolean);
  if (tests.length < dtypes.length) return undefined;
  const failed = tests.filter(({ passed }) => !passed);
  return failed.length === 0 ? 'Yes.' : `No: ${failed.map(({ message }) => message).join('; ')}`;
}

function validation({ steps, complaints, simulated }) {
  if (simulated) return undefined; // the simulator has rules of its own
  if (complaints.length > 0) return `No: ${complaints.join('; ')}`;
  const suite = steps.find(({ name }) => name === SUITE_ON_GPU);
  if (!suite) return undefined;
  return suite.outcome === 'passed' ? 'Yes: it ended nothing, and said nothing of the self-test.' : 'Not clear.';
}

/** The step in which Metal's validation sees most. */
export const SUITE_ON_GPU = 'the tests on the GPU';

export const PROBES = join(root, 'scripts', 'verify', 'probes.mjs');
const benchChild = (name) => join(root, 'bench', 'build', 'children', `${name}.js`);

/** Asked of a child under Metal's validation. `words` makes an answer of its result, or undefined where it tells none. */
const probe = (name, words) => ({ script: PROBES, options: () => ({ probe: name }), words, validated: true });
const sameBits = ({ differences }) => (differences === 0 ? 'Yes.' : `No: ${differences} elements differ.`);
/** A step of so many gradients on both devices. */
const means = (count) => ({ ...probe('means', sameBits), options: () => ({ probe: 'means', count }) });
/** Asked of a child without validation, which would slow it down. */
const timing = (script, options, words) => ({ script, options, words });
/** The same, where a simulator has nothing to say. */
const macOnly = (name, options, words) => ({
  ...timing(PROBES, (sizes) => ({ probe: name, ...options(sizes) }), words),
  onMac: true,
});
/** Steps, each in its environment and without; the CPU's unless told. */
const inTwoWays = (stepsOf, words) => ({
  ...macOnly(
    'inTwoWays',
    (sizes) => ({ steps: stepsOf(sizes) }),
    ({ steps }) => steps.map((step) => `${step.elements} elements: ${words(step)}`).join('; '),
  ),
  onCpu: true,
});
const onCpu = (...sizes) =>
  sizes.map((elements) => ({ elements, steps: elements < 2 ** 20 ? 2000 : 20, device: 'cpu' }));
/** Taken from what the steps found. */
const seen = (from, otherwise) => ({ from, otherwise });
const BY_HAND = seen(() => undefined, 'by hand only');

/** How each question is answered; those with a script in a child of their own. */
export const ways = {
  rounding: seen((found) => selfTests(found, 'float32'), 'no self-test ran'),
  'sixteen-bit': seen((found) => selfTests(found, 'float16', 'bfloat16'), 'no self-test ran'),
  subnormals: probe('subnormals', ({ are }) => `They are ${are}.`),
  'flushed-zero': probe(
    'flushedZero',
    ({ gpu, cpu }) =>
      `A parameter and a result become ${gpu.join(' and ')} on the GPU, ${cpu.join(' and ')} on the CPU.`,
  ),
  'tiny-products': probe('tinyProducts', ({ gpu, cpu }) => `On the GPU it is ${gpu}, on the CPU ${cpu}.`),
  division: means(3),
  'sum-barriers': means(40),
  'norm-barriers': {
    ...probe('clipped', sameBits),
    options: ({ sizes }) => ({ probe: 'clipped', elements: sizes[0] }),
  },
  'square-root': timing(PROBES, () => ({ probe: 'coefficient' }), coefficient),
  'copied-subnormals': probe('copiedSubnormals', ({ are }) => `They are ${are}.`),
  compiler: timing(
    benchChild('delay'),
    () => ({ elements: 8, steps: 1, device: 'gpu' }),
    ({ took, most }) => `Yes; the first step took ${ms(took)} in all, and held up the event loop for ${ms(most)}.`,
  ),
  'page-alignment': {
    ...probe('pageAlignment', ({ onPages }) => `${onPages} of 64 growable buffers started on a page of 16 KiB.`),
    onCpu: true,
  },
  'no-copy': probe('copied', ({ copiedBytes }) =>
    copiedBytes === 0 ? 'Yes.' : `No: ${copiedBytes} bytes were copied.`,
  ),
  'large-wrap': macOnly(
    'copied',
    () => ({ elements: 50 * 2 ** 20 }), // 200 MiB a leaf
    ({ copiedBytes }) => (copiedBytes === 0 ? 'Yes.' : `No: ${copiedBytes} bytes were copied.`),
  ),
  validation: seen(validation, "only Metal's own layers tell, during the whole suite"),
  bandwidth: timing(
    benchChild('gpu'),
    ({ sizes, steps }) => ({ sizes, steps, smallSteps: 1, most: 0, onCpu: true }),
    bandwidth,
  ),
  'submit-cost': timing(
    benchChild('gpu'),
    ({ smallSteps }) => ({ sizes: [], steps: 1, smallSteps, most: 0 }),
    ({ small }) => `${ms(median(small.gpu))}; on the CPU ${ms(median(small.cpu))} (medians).`,
  ),
  crossover: timing(
    benchChild('gpu'),
    ({ most }) => ({ sizes: [], steps: 1, smallSteps: 1, most }),
    ({ crossover }) =>
      crossover === null ? 'From none that was tried.' : `From ${crossover} elements on, or a few less.`,
  ),
  pauses: macOnly(
    'pauses',
    ({ sizes }) => ({ elements: sizes.at(-1), rests: [0, 1, 10, 200, 1500] }),
    ({ pauses }) => pauses.map(({ rest, milliseconds }) => `after ${rest} ms of rest ${ms(milliseconds)}`).join(', '),
  ),
  spin: macOnly(
    'spin',
    ({ sizes, steps }) => ({ elements: sizes.at(-1), steps }),
    ({ share, elements }) => `${percent(share)} of one core, during steps of ${elements} elements.`,
  ),
  'status-first': {
    ...inTwoWays(
      ({ sizes }) =>
        [64, sizes[0]].map((elements) => ({
          ...{ elements, steps: 200, device: 'gpu' },
          environment: { METAL_SGD_SWITCHES: 'block' },
        })),
      ({ with: there, without }) => `${ms(without)} with a look at the status first, ${ms(there)} without`,
    ),
    onCpu: false,
  },
  'arm64-ways': inTwoWays(
    ({ sizes }) => [
      ...onCpu(10_000, 100_000).map((step) => ({ ...step, environment: { METAL_SGD_SWITCHES: 'isb' } })),
      ...onCpu(sizes.at(-1)).map((step) => ({ ...step, environment: { METAL_SGD_SWITCHES: 'prefetch' } })),
    ],
    ({ environment, with: there, without }) =>
      `${ms(there)} with ${environment.METAL_SGD_SWITCHES}, ${ms(without)} without`,
  ),
  'slow-cores': inTwoWays(
    ({ sizes }) =>
      onCpu(100_000, sizes.at(-1)).map((step) => ({
        ...step,
        environment: { METAL_SGD_THREADS: String(cpus().length) },
      })),
    ({ with: there, without }) => `${ms(there)} with all ${cpus().length} cores, ${ms(without)} with the fast ones`,
  ),
  'event-loop': timing(
    benchChild('delay'),
    ({ sizes, steps }) => ({ elements: sizes[0], steps, device: 'gpu' }),
    ({ p99, most }) => `${ms(p99)} for 99 of 100 delays, ${ms(most)} the longest.`,
  ),
  jax: {
    ...timing(join(root, 'scripts', 'verify', 'jax.mjs'), () => ({}), jax),
    onCpu: true,
    otherwise: 'examples/jax is not installed',
  },
  'cross-built': seen(({ crossBuilt }) => crossBuilt, 'no addon made on Linux was copied here'),
  geometry: BY_HAND,
  'hazard-tracking': BY_HAND,
  watchdog: BY_HAND,
  messages: BY_HAND,
  unload: BY_HAND,
  'default-device': BY_HAND,
  'auto-under-failure': BY_HAND,
};

/** A result of an odd shape must not cost the whole report. */
function inWords(words, result, found) {
  try {
    return words(result, found);
  } catch {
    return `not clear: ${JSON.stringify(result)}`;
  }
}

/** The answer in one line, or why there is none. */
export function answerTo({ id }, found) {
  const { from, otherwise, words } = ways[id];
  const { result, failure } = found.answers[id] ?? {};
  const answer = from ? from(found) : result && inWords(words, result, found);
  if (answer !== undefined) return `${found.simulated ? 'In the simulator: ' : ''}${answer}`;
  return `not answered: ${failure ?? otherwise ?? (result ? "this chip's peak is not known, or sizes are small" : 'not asked')}`;
}

const unmatched = [
  ...questions.filter(({ id }) => !(id in ways)).map(({ id }) => `nothing answers the question ${id}`),
  ...Object.keys(ways)
    .filter((id) => !questions.some((question) => question.id === id))
    .map((id) => `docs/on-a-mac.md has no question ${id}`),
];
if (unmatched.length > 0) throw new Error(unmatched.join('; '));
