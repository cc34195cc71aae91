// `npm run bench`: measures, prints a table and single figures, writes JSON, compares with older results.
import { comparison } from './compare';
import { type Options, parseOptions } from './options';
import { checkPlace, readResults, writeResults } from './results';
import { run } from './run';
import { isSimulated } from './simulator';
import { messageOf } from './errors';

const complain = (line: string): void => {
  console.error(`bench: ${line}`);
};

async function main(options: Options, signal: AbortSignal): Promise<void> {
  const { compare, with: instead } = options;
  const old = compare === undefined ? undefined : readResults(compare); // before all the work: the file may be missing
  if (old && instead !== undefined) {
    console.log(comparison(old, readResults(instead)));
    return;
  }
  checkPlace(options.json);
  const { results, wrong } = await run(options, signal, complain);
  console.log(`results: ${writeResults(results, options.json)}`);
  if (old) console.log(comparison(old, results));
  if (wrong) complain('what is marked WRONG computed something else than metal-sgd');
  process.exitCode = signal.aborted ? 130 : Number(wrong);
}

// Reporting every load and store of a kernel, the simulator would take minutes. Before the addon is loaded.
if (isSimulated()) process.env['METAL_SIM'] ??= '{"trace":false}';
const interrupt = new AbortController();
process.once('SIGINT', () => {
  interrupt.abort(); // a second Ctrl-C ends the process at once
});
main(parseOptions(process.argv, complain), interrupt.signal).catch((error: unknown) => {
  complain(messageOf(error));
  process.exitCode = 1;
});
