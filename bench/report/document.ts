// docs/benchmarks.md as text.
import { figure, isReached, type Metric } from '../metrics';
import type { Result, Results } from '../results';
import { HEADER, rowOf, sampled } from '../table';
import type { Chart } from './charts';

/** Titles of the parts that find single figures, in the order of the document. */
const PARTS: Readonly<Record<string, string>> = {
  goals: 'Goals',
  costs: 'What a step costs beside its elements',
  disturbed: 'Beside another busy process',
  delay: 'Event loop',
  heap: 'JavaScript heap',
  memory: 'Resident memory',
  startup: 'Start-up',
  checkpoints: 'Checkpoints',
  gpu: 'GPU',
};

const METHOD = `
Every line of a table was measured in turn with the others of its case, A B C A B C ..., each on memory of its own, so
that what the machine did meanwhile met all alike. Figures are medians of the rounds, with quartiles in brackets; speeds
are medians over pairs of samples of the same round. Compare only within one run: the same machine differs by more
from hour to hour than contestants do.

- **C** is the bare update loop in place, in C, by the addon's compiler with \`-O3 -march=native\`, its threads bound to
  the same processors as metal-sgd's; its work is split evenly, and its threads meet by spinning. It is the limit.
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

const REPEAT = `
\`\`\`sh
npm ci
npm run bench                                  # about ten minutes; -- --help tells what else there is
METAL_SGD_BENCH_PYTHON=python3 npm run bench -- --peers    # with other packages (bench/peers/PROTOCOL.md)
npm run bench:report                           # writes this file from the newest results in bench/results
npm run bench -- --compare old.json            # measures, and prints what differs from old results beyond noise
npm run sim -- npm run bench -- --parts gpu    # on Linux: what a step costs in Metal's calls, counted by the simulator
\`\`\`

Let nothing else run meanwhile. On a Mac the same commands measure its GPU.`;

/** The whole document. */
export function documentOf(results: Results, charts: readonly Chart[]): string {
  return (
    [
      '# Benchmarks',
      '<!-- npm run bench:report writes this file -->',
      machineOf(results),
      ...charts.map(({ name, title }) => `**${title}**\n\n![${title}](benchmarks/${name})`),
      ...(results.interrupted ? ['This run was interrupted; what it had measured is here.'] : []),
      '## How it was measured',
      METHOD.trim(),
      '## Time of a step',
      tableOfWorks(results.results),
      ...Object.entries(PARTS).flatMap(([part, title]) =>
        figures(
          title,
          results.metrics.filter((one) => one.part === part),
        ),
      ),
      '## Repeat it',
      REPEAT.trim(),
    ].join('\n\n') + '\n'
  );
}

function machineOf({ date, commit, machine, versions, c, processors, rounds }: Results): string {
  const { cpu, cores, caches, memory, system, hugePages, load, devices, simulated } = machine;
  const rows = [
    ['date', date.slice(0, 10)],
    ['commit', commit ?? 'unknown'],
    ['processor', `${cpu}, ${String(cores ?? machine.processors)} cores, ${String(machine.processors)} processors`],
    ['caches', caches.join(', ') || 'unknown'],
    ['memory', `${(memory / 2 ** 30).toFixed(1)} GiB, huge pages: ${hugePages ?? 'unknown'}`],
    ['system', system],
    [
      'devices',
      devices.map(({ type, name }) => `${type} ${name}`).join(', ') + (simulated ? ' (the GPU is simulated)' : ''),
    ],
    [
      'versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['C compiler', c ?? 'none'],
    ['threads bound to', processors.length > 0 ? `processors ${processors.join(', ')}` : 'none'],
    ['rounds', `${String(rounds)}; load of the machine at the end ${load.toFixed(1)}`],
  ];
  return markdownTable(['', ''], rows, 2);
}

function tableOfWorks(results: readonly Result[]): string {
  const rows = results.flatMap((result) =>
    result.series
      .filter(({ contestant }) => sampled(result.series, contestant))
      .map((series, i) => [i === 0 ? labelOf(result) : '', ...rowOf(result.series, series)]),
  );
  return rows.length > 0 ? markdownTable(HEADER, rows, 2) : 'Nothing was measured.';
}

const labelOf = ({ work, dtype, rule, threads }: Result): string =>
  `${work} ${dtype} ${rule.name}, ${String(threads)} thread${threads === 1 ? '' : 's'}`;

function figures(title: string, metrics: readonly Metric[]): string[] {
  if (metrics.length === 0) return [];
  const rows = metrics.map((metric) => {
    const { name, value, unit, low, high, goal, note } = metric;
    const spread = low === undefined || high === undefined ? '' : ` (${figure(low)} to ${figure(high)})`;
    const verdict = goal
      ? `${goal.relation} ${String(goal.value)}: ${isReached(metric) ? 'reached' : '**missed**'}`
      : '';
    return [name, `${figure(value)} ${unit}${spread}`.trim(), verdict, note ?? ''];
  });
  return [`## ${title}`, markdownTable(['what', 'found', 'goal', 'note'], rows, 1)];
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), `|${header.map((_, i) => (i < left ? '---|' : '--:|')).join('')}`, ...rows.map(line)].join(
    '\n',
  );
}
