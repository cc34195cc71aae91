// Another process holds one of the processors: what do steps with all threads take then, against one thread in peace?
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Case, Contestant, Runner } from '../contestant';
import { RULES } from '../contestant';
import { metalSgd } from '../contestants/package';
import { atMost, medianMetric, type Metric } from '../metrics';
import { modelOf } from '../models';
import type { Context } from './part';

const GOAL = 1.25;
/** Turns for ever, and ends with the process that started it, however that ended. */
const BUSY =
  'const { ppid } = process; for (let i = 0; ; i++) if (i % 1e6 === 0 && process.ppid !== ppid) process.exit();';

/** Ratios of pairs of samples that were taken one after the other. */
export async function underLoad(context: Context): Promise<Metric[]> {
  const { processors, baseline, isSmoke } = context;
  if (processors.length < 2) return [];
  const model = modelOf('leaf', isSmoke ? 100_000 : 10_000_000);
  const rule = RULES.find(({ name }) => name === 'momentum') ?? RULES[0];
  const given: Case = { model, dtype: 'float32', rule, threads: processors.length };
  const package_ = metalSgd({ layout: 'arena', verb: 'update', device: 'cpu' });
  const name = `${model.name}, all threads while a process holds one of ${String(processors.length)} cores, over one thread in peace`;
  const metrics: Metric[] = [];
  for (const contestant of [package_, ...(baseline ? [baseline.loop] : [])]) {
    const goal = contestant === package_ ? { goal: atMost(GOAL) } : {};
    const ratios = await ratiosOf(contestant, given, context);
    const about = { part: 'under-load', name: `${contestant.name}: ${name}`, unit: '', ...goal };
    if (ratios.length > 0) metrics.push(medianMetric(about, ratios));
  }
  return metrics;
}

async function ratiosOf(
  contestant: Contestant,
  given: Case,
  { rounds, isSmoke, processors, watch }: Context,
): Promise<number[]> {
  const [alone, together] = await Promise.all([contestant.open({ ...given, threads: 1 }), contestant.open(given)]);
  const pinned = ['-c', String(processors[1]), process.execPath, '-e', BUSY];
  const busy = spawn('taskset', pinned, { stdio: 'ignore' });
  await once(busy, 'spawn');
  const ratios: number[] = [];
  try {
    const steps = isSmoke ? 20 : 10;
    for (let round = 0; round < Math.min(rounds, 11) && !watch.signal.aborted; round++) {
      busy.kill('SIGSTOP');
      const peace = await timeOf(alone, steps);
      busy.kill('SIGCONT');
      ratios.push((await timeOf(together, steps)) / peace);
    }
  } finally {
    busy.kill('SIGKILL');
    for (const runner of [alone, together]) if (typeof runner !== 'string') await runner.close();
  }
  return ratios.slice(1); // the first one warmed up
}

async function timeOf(runner: Runner | string, steps: number): Promise<number> {
  return typeof runner === 'string' ? NaN : ((await runner.time(steps)) ?? NaN);
}
