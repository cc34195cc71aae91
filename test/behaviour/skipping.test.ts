// Asynchronous steps that are skipped, against a model: scales, schedules, and what waits behind them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type LastRun, SGD, type Tensor, zeros } from '../../lib';
import { failureOf } from '../helpers/failures';

const of = (value: number): { w: Tensor<'float32'> } => {
  const tree = zeros({ w: 1 });
  tree.w.data[0] = value;
  return tree;
};

/** Rates and norms that say which step asked for them. */
const rateAt = (step: number): number => 2 ** -(step % 8);
const groupRateAt = (step: number): number => 3 + step;

interface Call {
  readonly isFinite: boolean;
  /** Waits for all steps before the next call. */
  readonly waits: boolean;
}

const INTERVAL = 3;

/** GradScaler's rule, and the schedules' list, as design and documentation tell them. */
class Model {
  step = 0;
  scale = 1024;
  growth = 0;
  w = 0;
  g = 0;
  /** Numbers that schedules were asked with. */
  readonly asked: number[] = [];
  #waiting: number[] = [];
  #queue: { isFinite: boolean; scale: number }[] = [];

  call(isFinite: boolean): void {
    const number = this.step + this.#queue.length;
    // What a skipped step has left is not asked for again.
    if (!this.#waiting.includes(number)) {
      this.asked.push(number);
      this.#waiting.push(number);
    }
    this.#queue.push({ isFinite, scale: this.scale });
  }

  /** Runs all that waits; returns what each step is to report. */
  run(): { skipped: boolean; lossScale: number }[] {
    const reports = this.#queue.map(({ isFinite, scale }) => {
      const number = this.#waiting.shift() ?? NaN;
      if (!isFinite) {
        this.#waiting.unshift(number);
        this.scale = Math.min(this.scale, Math.max(1, scale / 2));
        this.growth = 0;
        return { skipped: true, lossScale: scale };
      }
      this.w -= rateAt(number);
      this.g -= groupRateAt(number);
      this.step++;
      if (scale === this.scale && ++this.growth === INTERVAL) {
        this.scale *= 2;
        this.growth = 0;
      }
      return { skipped: false, lossScale: scale };
    });
    this.#queue = [];
    this.#waiting = [];
    return reports;
  }
}

test('steps that wait behind a skipped one unscale by the scale of their call, and take the rates of steps that happen', async () => {
  const calls = fc.array(fc.record({ isFinite: fc.boolean(), waits: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(calls, async (script: readonly Call[]) => {
      const model = new Model();
      const asked: number[] = [];
      const optimizer = new SGD(
        (step) => {
          asked.push(step);
          return rateAt(step);
        },
        {
          lossScale: { initial: 1024, growthInterval: INTERVAL },
          groups: [{ parameters: /g/, learningRate: groupRateAt }],
        },
      );
      asked.length = 0;
      const parameters = { ...of(0), g: of(0).w };
      let pending: Promise<LastRun>[] = [];
      const settle = async (): Promise<void> => {
        const runs = await Promise.all(pending);
        expect(runs.map(({ skipped, lossScale }) => ({ skipped, lossScale }))).toEqual(model.run());
        pending = [];
        expect([optimizer.step, optimizer.lossScale, optimizer.pending]).toEqual([model.step, model.scale, 0]);
        expect(optimizer.state.lossScale).toEqual({ scale: model.scale, growth: model.growth });
        expect([parameters.w.data[0], parameters.g.data[0]]).toEqual([Math.fround(model.w), Math.fround(model.g)]);
        expect(asked).toEqual(model.asked);
      };
      for (const { isFinite, waits } of script) {
        if (model.scale === 1) break; // another one that is not finite would throw
        const value = isFinite ? (optimizer.lossScale ?? NaN) : NaN;
        model.call(isFinite);
        pending.push(optimizer.updateAsync(parameters, { ...of(value), g: of(value).w }));
        if (waits) await settle();
      }
      await settle();
    }),
    { numRuns: 60 },
  );
});

test("under 'error' the step rejects with the path, later ones with aborted, and nothing has changed", async () => {
  const optimizer = new SGD(1, { nonFinite: 'error', momentum: 0.9 });
  const parameters = of(1);
  const steps = [1, NaN, 1].map((value) => optimizer.updateAsync(parameters, of(value)));
  const results = await Promise.allSettled(steps);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  const reasons = results.map((result) => (result as { reason?: { code: string; message: string } }).reason);
  expect(reasons[1]).toMatchObject({ code: 'not-finite', message: expect.stringMatching(/^gradients\.w: /) as string });
  expect(reasons[2]).toMatchObject({ code: 'aborted' });
  expect([optimizer.step, parameters.w.data[0], optimizer.pending]).toEqual([1, 0, 0]);
  await optimizer.updateAsync(parameters, of(1));
  expect(optimizer.step).toBe(2);
});

test('a dynamic scale at its minimum rejects with loss-scale, and later steps with aborted', async () => {
  const optimizer = new SGD(1, { lossScale: { initial: 1 } });
  const parameters = of(1);
  const results = await Promise.allSettled([NaN, 1].map((value) => optimizer.updateAsync(parameters, of(value))));
  expect(results.map((result) => (result as { reason: { code: string } }).reason.code)).toEqual([
    'loss-scale',
    'aborted',
  ]);
  expect([optimizer.step, parameters.w.data[0], optimizer.lossScale]).toEqual([0, 1, 1]);
});

test('a rate that a skipped step leaves behind is dropped once nothing is pending', async () => {
  const asked: number[] = [];
  const optimizer = new SGD(
    (step) => {
      asked.push(step);
      return asked.length;
    },
    { nonFinite: 'skip' },
  );
  const parameters = of(0);
  await optimizer.updateAsync(parameters, of(NaN));
  await optimizer.updateAsync(parameters, of(1));
  expect(asked).toEqual([0, 0, 0]); // made, skipped, taken
  expect(parameters.w.data[0]).toBe(-3);
  expect(optimizer.learningRate).toBe(3);
});

test('saves and looks that were called before a step still see the sums that it takes', async () => {
  const optimizer = new SGD(1);
  const parameters = of(0);
  const folder = mkdtempSync(join(tmpdir(), 'sums-'));
  optimizer.accumulate(of(4));
  const saves = [1, 2].map((i) => optimizer.save(join(folder, String(i))));
  const seen = optimizer.between(() => optimizer.state.accumulated);
  const step = optimizer.updateAsync(parameters, of(2));
  const another = optimizer.updateAsync(parameters, of(1));
  for (const path of await Promise.all(saves)) {
    const loaded = new SGD(1);
    await loaded.load(path);
    expect(loaded.state.accumulated).toBe(1);
    loaded.update(of(0), of(2));
  }
  expect(await seen).toBe(1);
  await Promise.all([step, another]);
  expect([parameters.w.data[0], optimizer.state.accumulated]).toEqual([-4, undefined]);
  rmSync(folder, { recursive: true });
});

test('lossScale is busy while steps are pending', async () => {
  const optimizer = new SGD(1, { lossScale: 4 });
  const step = optimizer.updateAsync(of(0), of(1));
  expect(failureOf(() => (optimizer.lossScale = 2)).code).toBe('busy');
  expect(failureOf(() => (optimizer.maxNorm = 2)).code).toBe('busy');
  expect(failureOf(() => (optimizer.nonFinite = 'error')).code).toBe('busy');
  const run = await step;
  expect(run).toMatchObject({ skipped: false, lossScale: 4, gradientNorm: 0.25, gradientMax: 0.25 });
  expect(run).toBe(optimizer.lastRun);
});

test('an accumulated sum is dropped by a pending step that skips, and kept by one that fails', async () => {
  for (const nonFinite of ['skip', 'error'] as const) {
    const optimizer = new SGD(1, { nonFinite });
    const parameters = of(0);
    optimizer.accumulate(of(NaN));
    const [result] = await Promise.allSettled([optimizer.updateAsync(parameters, of(1))]);
    expect(result.status).toBe(nonFinite === 'skip' ? 'fulfilled' : 'rejected');
    expect(optimizer.state.accumulated).toBe(nonFinite === 'skip' ? undefined : 1);
  }
});
