// What docs/benchmarks.md says beside its figures.

/** Titles of the parts that find single figures, in the order of the document. */
export const PARTS: Readonly<Record<string, string>> = {
  goals: 'Goals',
  costs: 'What a step costs beside its elements',
  'under-load': 'Beside another busy process',
  distributed: 'Means over processes',
  frameworks: 'Training steps by frameworks, momentum 0.9, batches of 32',
  delay: 'Event loop',
  heap: 'JavaScript heap',
  memory: 'Resident memory',
  startup: 'Start-up',
  checkpoints: 'Checkpoints',
  gpu: 'GPU',
  calls: "What a step costs in Metal's calls",
};

/** What is to be known of a part before its figures. */
export const INTRODUCTIONS: Readonly<Partial<Record<string, string>>> = {
  gpu: `Of float32 with momentum. The **streaming kernel** is the GPU's baseline: it reads three arrays and writes two of them, adds
once, and takes the fastest of six geometries. Both are measured in turn, a few steps at a time, each step a command
buffer that is waited for; the relative speed is by the GPU's clock.`,
  calls: `Counted by the simulator that the tests use, of float32 with momentum in one arena, after the first steps. The CPU's time is
the median of what the calling thread spends on a step outside Metal's calls: the simulator counts the time inside its
own, which is taken off, waiting included.`,
};

export const METHOD = `
Every line of a table was measured in turn with the others of its case, A B C A B C ..., each on memory of its own, so
that what the machine did meanwhile met all alike. A sample of several steps begins with one that is not timed, since
caches are full of what the one before left there. Figures are medians of the rounds, with quartiles in brackets; speeds
are medians over pairs of samples of the same round. Compare only within one run: the same machine differs by more
from hour to hour than contestants do.

- **C** is the bare update loop in place, in C, by the addon's compiler with \`-O3 -march=native\`, its threads bound to
  the same processors as metal-sgd's; its model is split evenly, and its threads meet by spinning. It is as
  fast as a compiler makes the bare rule; asking for memory ahead, as metal-sgd does in large steps, is faster.
- **triad** is STREAM's a = b + 3 c over arrays as large as the work's, by the same program; it counts 24 bytes for each
  double, and not the reading of the lines of a that a processor does before it writes them.
- **JavaScript** is the same loop over typed arrays. It computes in double and has one thread.
- **metal-sgd** is whole calls, checks included: \`update\` on leaves in one arena on the CPU, unless the name says
  otherwise. *shared*: a shared buffer for each leaf; *plain*: an ordinary array for each.
- Other packages run in processes of their own, each as its \`bench/peers\` uses it.
- **GB/s** counts the bytes that a step must move: parameter and gradient read and parameter written, with momentum also
  velocity read and written; so 20 bytes for each float32 element with momentum, 12 without.

Before anything was timed, all had computed three steps of the same values. metal-sgd, C and all of metal-sgd's own ways
agreed to the bit; the others within some roundings. What did not is marked WRONG.

Rules: *plain* (no momentum), *momentum* 0.9, *nesterov* (with momentum 0.9), *dampened* (momentum 0.9, dampening 0.1;
Nesterov momentum allows none); all with weight decay 1e-4.`;

/** Said where features were measured. */
export const FEATURES = `
**Features**, with momentum 0.9; B/element is the number of bytes that GB/s counts for each element:

- *mean of 4*: \`update\` with a \`meanOf\` that is made anew for each step. *accumulate*: three \`accumulate\` and an \`update\`.
- *masters*: bfloat16 parameters and gradients, float32 masters and velocities.
- *averages*: decay 0.999.
- *clipped*: \`maxNorm\` 1, where the norm is 45. *finite test*: \`nonFinite: 'skip'\`. Both read all gradients before the
  step does. Other packages' norms of so many numbers are off by up to 1.4 %, and their parameters by 1e-7.
- The goals of single clipped updates compare an optimizer that clips with one that does not, on the same arrays, in turn.
- The goal of groups compares an optimizer whose group has no weight decay, for the 53 biases of ResNet-50's
  normalisations, with one without groups: three of each, on the same arrays, in turn.

C does the same in as few passes, and compares parameters with their masters as metal-sgd does. The ways of metal-sgd step
the same arrays here.`;

export const REPEAT = `
\`\`\`sh
npm ci
npm run bench                                  # about ten minutes; -- --help tells what else there is
METAL_SGD_BENCH_PYTHON=python3 npm run bench -- --peers    # with other packages (bench/peers/PROTOCOL.md)
npm run bench:report                           # writes this file from the newest results in bench/results
npm run bench -- --compare old.json            # measures, and prints what differs from old results beyond noise
\`\`\`

On Linux the simulator counts what a step costs in Metal's calls. The report takes several files: the first is the main
one, the others add what they have, such as

\`\`\`sh
npm run bench -- --json bench/results/all.json
npm run sim -- npm run bench -- --parts gpu --json bench/results/calls.json
npm run bench:report -- bench/results/all.json bench/results/calls.json
\`\`\`

Let nothing else run meanwhile. On a Mac the same commands measure its GPU.`;
