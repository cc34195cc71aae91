// `npm run bench`: measures metal-sgd against the same loop in C and in JavaScript, prints a table, writes JSON.
import { fitting, groupsOf, known } from './cases';
import { checkpointLines } from './checkpoint';
import { delayLines } from './delay';
import type { Contestant } from './contestant';
import { javascript } from './contestants/javascript';
import { LimitProgram, startLimit } from './contestants/limit';
import { metalSgd } from './contestants/package';
import { goalLines } from './goals';
import { measure, type Measurement } from './measure';
import { type Options, parseOptions } from './options';
import { bindThreads, boundProcessors } from './processors';
import { startProgress } from './progress';
import { writeResults } from './results';
import { tableOf } from './table';
import { WORKS } from './works';

const complain = (line: string): void => {
  console.error(`bench: ${line}`);
};

async function main(options: Options, signal: AbortSignal): Promise<void> {
  const processors = boundProcessors();
  const against = known(options.against, ['c', 'javascript'], 'contestant', complain);
  const limit = against.includes('c') ? await openLimit(processors) : undefined;
  const isWhole = options.works.length === WORKS.length;
  const checkpoints = isWhole ? await checkpointLines(Math.min(options.rounds, 9)) : [];
  const delays = await delayLines(isWhole ? 25_600_000 : 1_000_000);
  bindThreads(processors); // not earlier: a child would inherit it
  const contestants = [metalSgd, ...(limit ? [limit] : []), ...(against.includes('javascript') ? [javascript] : [])];
  const measurements: Measurement[] = [];
  try {
    await measureAll(options, contestants, measurements, signal);
  } finally {
    for (const contestant of contestants) await contestant.close();
  }
  console.log(tableOf(measurements));
  for (const line of goalLines(measurements)) console.log(line);
  for (const line of [...checkpoints, ...delays]) console.log(line);
  const how = { rounds: options.rounds, interrupted: signal.aborted, processors, c: limit?.build ?? null };
  console.log(`results: ${writeResults(measurements, how, options.json)}`);
  const wrong = measurements.some(({ series }) => series.some(({ agrees }) => !agrees));
  if (wrong) complain('what is marked WRONG computed something else than metal-sgd');
  process.exitCode = signal.aborted ? 130 : Number(wrong);
}

async function openLimit(processors: readonly number[]): Promise<LimitProgram | undefined> {
  const limit = await startLimit(processors);
  if (limit instanceof LimitProgram) return limit;
  complain(limit);
  return undefined;
}

async function measureAll(
  options: Options,
  contestants: readonly Contestant[],
  into: Measurement[],
  signal: AbortSignal,
): Promise<void> {
  const groups = groupsOf(options, complain);
  const progress = startProgress(groups.length * options.rounds);
  try {
    for (const [i, group] of groups.entries()) {
      if (signal.aborted) return;
      const cases = fitting(group, contestants.length, complain);
      await measure(cases, contestants, options, into, signal, (doing, round) => {
        progress.show(i * options.rounds + round, doing);
      });
    }
  } finally {
    progress.stop();
  }
}

const interrupt = new AbortController();
process.once('SIGINT', () => {
  interrupt.abort(); // a second Ctrl-C ends the process at once
});
main(parseOptions(process.argv), interrupt.signal).catch((error: unknown) => {
  complain(error instanceof Error ? String(error.stack) : String(error));
  process.exitCode = 1;
});
