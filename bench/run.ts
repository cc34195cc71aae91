// One run of the suite: parts that find single figures, then cases measured in groups.
import { setTimeout as sleep } from 'node:timers/promises';
import { Baseline, startBaseline } from './contestants/baseline';
import { installPeers, onProcessors, type Peer, PEERS, startPeer } from './contestants/peers';
import { costMetrics } from './costs';
import { goalMetrics } from './goals';
import { measure, type Measurement, type Watch } from './measure';
import { type Metric, metricLine } from './metrics';
import type { Options } from './options';
import { checkpoints } from './parts/checkpoints';
import { distributed } from './parts/distributed';
import { frameworks } from './parts/frameworks';
import { slowWorker } from './parts/slowWorker';
import { underLoad } from './parts/underLoad';
import { gpu } from './parts/gpu';
import { groups } from './parts/groups';
import { norm } from './parts/norm';
import type { Context, Part } from './parts/part';
import { delay, heap, memory, startup } from './parts/processes';
import { type Group, groupsOf } from './plan';
import { bindThreads, boundProcessors } from './processors';
import { startProgress } from './progress';
import { type Results, resultsOf } from './results';
import { tableOf } from './table';
import { messageOf } from './errors';

const features = (context: Context): Metric[] => [...groups(context), ...norm(context)];

/** Parts that find single figures. They come before threads are bound, since processes that they start would inherit it. */
const FIGURES: Readonly<Record<string, Part>> = {
  startup,
  heap,
  memory,
  delay,
  checkpoints,
  gpu,
  features,
  distributed,
  frameworks,
};

type Complain = (line: string) => void;

/** Measures and prints. `wrong`: one of this suite's own contestants computed something else. */
export async function run(
  options: Options,
  signal: AbortSignal,
  complain: Complain,
): Promise<{ results: Results; wrong: boolean }> {
  const processors = boundProcessors();
  const unlessOver = (line: string): void => {
    if (!signal.aborted) complain(line); // what fails by Ctrl-C is no news
  };
  const baseline = await openBaseline(options, processors, unlessOver);
  const peers = await openPeers(options.peers, processors, signal, unlessOver);
  const watch = watchOf(signal, unlessOver);
  const { isSmoke, effort } = options;
  const hasPeers = options.peers.length > 0;
  const context: Context = { rounds: effort.rounds, isSmoke, processors, baseline, hasPeers, watch };
  const metrics: Metric[] = [];
  const groups: (Group & { found: Measurement[] })[] = [];
  try {
    for (const part of options.parts) metrics.push(...(await figures(part, FIGURES[part], context)));
    bindThreads(processors);
    if (options.parts.includes('under-load'))
      metrics.push(
        ...(await figures('under-load', underLoad, context)),
        ...(await figures('under-load', slowWorker, context)),
      );
    groups.push(...groupsOf(options, baseline, peers, complain).map((group) => ({ ...group, found: [] })));
    await measureGroups(groups, watch);
  } finally {
    for (const peer of peers) await peer.close();
    await baseline?.end();
  }
  const measurements = groups.flatMap(({ found }) => found);
  const costs = groups.filter(({ part }) => part === 'costs').map(({ found }) => found);
  metrics.push(...costMetrics(costs.flat()), ...goalMetrics(measurements));
  if (measurements.length > 0) console.log(tableOf(measurements));
  for (const metric of metrics) console.log(metricLine(metric));
  const versions = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
  const how = { rounds: options.effort.rounds, interrupted: signal.aborted, processors, c: baseline?.build ?? null };
  const isOurs = (contestant: string): boolean => !PEERS.some(({ name }) => name === contestant);
  const wrong = measurements.some(({ series }) =>
    series.some(({ agrees, contestant }) => !agrees && isOurs(contestant)),
  );
  return { results: resultsOf(measurements, metrics, how, versions), wrong };
}

async function openBaseline(
  options: Options,
  processors: readonly number[],
  complain: Complain,
): Promise<Baseline | undefined> {
  if (!options.against.includes('c') && !options.against.includes('triad')) return undefined;
  const baseline = await startBaseline(processors);
  if (baseline instanceof Baseline) return baseline;
  await heedSignals();
  complain(baseline);
  return undefined;
}

/** Lets Ctrl-C through, which came while this process did not look. */
const heedSignals = (): Promise<void> => sleep(SIGNAL_DELAY);
const SIGNAL_DELAY = 5; // milliseconds

async function openPeers(
  names: readonly string[],
  processors: readonly number[],
  signal: AbortSignal,
  complain: Complain,
): Promise<Peer[]> {
  const commands = PEERS.filter(({ name }) => names.includes(name));
  if (commands.some(({ command }) => command === process.execPath)) installPeers(complain);
  const peers: Peer[] = [];
  for (const command of commands) {
    if (signal.aborted) break;
    const peer = await startPeer(onProcessors(command, processors), complain);
    if (typeof peer === 'string') complain(`${command.name} is left out: ${peer}`);
    else peers.push(peer);
  }
  return peers;
}

/** Each reason why a contestant takes no part is told once. */
function watchOf(signal: AbortSignal, complain: Complain): Watch {
  const told = new Set<string>();
  const refused = (contestant: string, reason: string, label: string): void => {
    if (told.has(contestant + reason)) return;
    told.add(contestant + reason);
    complain(`${contestant} takes no part in ${label} and the like: ${reason}`);
  };
  return { signal, refused, complain, tell: () => undefined };
}

/** What a part finds. One that fails, as when Ctrl-C ends a process of its, says so and the others go on. */
async function figures(name: string, part: Part | undefined, context: Context): Promise<Metric[]> {
  const { signal, complain } = context.watch;
  await heedSignals();
  if (!part || signal.aborted) return [];
  const progress = startProgress(1);
  progress.show(0, name);
  try {
    return await part(context);
  } catch (error) {
    await heedSignals();
    complain(`${name} is left out: ${messageOf(error)}`);
    return [];
  } finally {
    progress.stop();
  }
}

async function measureGroups(groups: readonly (Group & { found: Measurement[] })[], watch: Watch): Promise<void> {
  const progress = startProgress(groups.reduce((sum, { effort }) => sum + effort.rounds, 0));
  let done = 0;
  try {
    for (const { cases, contestants, effort, found } of groups) {
      if (watch.signal.aborted) return;
      const tell = (doing: string, round: number): void => {
        progress.show(done + round, doing);
      };
      await measure(cases, contestants, effort, found, { ...watch, tell });
      done += effort.rounds;
    }
  } finally {
    progress.stop();
  }
}
