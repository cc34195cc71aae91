// docs/benchmarks.md as text.
import { figure, isReached, type Metric } from '../metrics';
import { isFeature } from '../features';
import type { Result, Results } from '../results';
import { HEADER, rowOf, sampled } from '../table';
import type { Chart } from './charts';
import { FEATURES, INTRODUCTIONS, METHOD, PARTS, REPEAT } from './text';

const MODELS = 'models';

/** The whole document: of the first results, with what the others add. */
export function documentOf(main: Results, others: readonly Results[], charts: readonly Chart[]): string {
  const all = [main, ...others];
  return (
    [
      '# Benchmarks',
      '<!-- npm run bench:report writes this file -->',
      machineOf(main),
      ...charts.map(({ name, title }) => `**${title}**\n\n![${title}](benchmarks/${name})`),
      ...(all.some(({ interrupted }) => interrupted) ? ['A run was interrupted; what it had measured is here.'] : []),
      '## How it was measured',
      METHOD.trim(),
      ...(all.some(({ results }) => results.some(({ rule }) => isFeature(rule))) ? [FEATURES.trim()] : []),
      ...all.flatMap((results) => section(MODELS, results, main, tableOfModels(results.results))),
      ...Object.keys(PARTS).flatMap((part) =>
        all.flatMap((results) => {
          const found = results.metrics.filter((one) => one.part === part);
          return section(part, results, main, tableOfFigures(found));
        }),
      ),
      '## Repeat it',
      REPEAT.trim(),
    ].join('\n\n') + '\n'
  );
}

/** Of one part of one run; nothing without a table. */
function section(part: string, results: Results, main: Results, table: string | undefined): string[] {
  if (table === undefined) return [];
  const title = part === MODELS ? 'Time of a step' : PARTS[part];
  const where = results.machine.simulated ? ', over the Metal simulator' : '';
  const introduction = INTRODUCTIONS[part];
  const words = [
    ...(introduction === undefined ? [] : [introduction]),
    ...(results.machine.simulated && part !== 'calls' ? ['No real GPU ran: these speeds mean nothing.'] : []),
    ...otherRun(results, main),
  ];
  return [`## ${title}${where}`, ...words, table];
}

/** Says of a run that it is another one than the main one, where machine or commit differ. */
function otherRun(results: Results, main: Results): string[] {
  const facts = ({ commit, machine }: Results): string =>
    `commit ${commit ?? 'unknown'}, ${machine.cpu}, ${String(machine.processors)} processors, ${machine.system}`;
  return facts(results) === facts(main) ? [] : [`Another run: ${results.date.slice(0, 10)}, ${facts(results)}.`];
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

function tableOfModels(results: readonly Result[]): string | undefined {
  const rows = results.flatMap((result) =>
    result.series
      .filter(({ contestant }) => sampled(result.series, contestant))
      .map((series, i) => [i === 0 ? labelOf(result) : '', ...rowOf(result.series, series, result.elements)]),
  );
  return rows.length > 0 ? markdownTable(HEADER, rows, 2) : undefined;
}

const labelOf = ({ model, dtype, rule, threads }: Result): string =>
  `${model} ${dtype} ${rule.name}, ${String(threads)} thread${threads === 1 ? '' : 's'}`;

function tableOfFigures(metrics: readonly Metric[]): string | undefined {
  if (metrics.length === 0) return undefined;
  if (metrics.every(({ cell }) => cell)) return tableOfCells(metrics);
  const rows = metrics.map((metric) => {
    const { name, value, unit, low, high, goal, note } = metric;
    const spread = low === undefined || high === undefined ? '' : ` (${figure(low)} to ${figure(high)})`;
    const verdict = goal
      ? `${goal.relation} ${String(goal.value)}: ${isReached(metric) ? 'reached' : '**missed**'}`
      : '';
    return [name, `${figure(value)} ${unit}${spread}`.trim(), verdict, note ?? ''];
  });
  return markdownTable(['what', 'found', 'goal', 'note'], rows, 1);
}

/** A row for each of what they are of. */
function tableOfCells(metrics: readonly Metric[]): string {
  const distinct = (of: 'row' | 'column'): string[] => [...new Set(metrics.map(({ cell }) => cell?.[of] ?? ''))];
  const columns = distinct('column');
  const rows = distinct('row').map((row) => [
    row,
    ...columns.map((column) => {
      const found = metrics.find(({ cell }) => cell?.row === row && cell.column === column);
      return found ? `${figure(found.value)} ${found.unit}`.trim() : '';
    }),
  ]);
  return markdownTable(['', ...columns], rows, 1);
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), `|${header.map((_, i) => (i < left ? '---|' : '--:|')).join('')}`, ...rows.map(line)].join(
    '\n',
  );
}
