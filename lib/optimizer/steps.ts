// The steps of an optimizer: the numbers of each, its plan, its run, and what counts once it is over.
import { maxNormAt } from '../state/around';
import type { Together } from './together';
import { coded } from '../errors';
import type { State } from '../state/state';
import type { Concerned } from './configuration';
import type { LastRun } from './device';
import { checkScale } from './options';
import type { Planner } from './planner';
import type { Queue } from './queue';
import type { Runner } from './runner';

/** What schedules give for a step. */
interface Scheduled {
  /** Completed steps before it. */
  readonly step: number;
  readonly rate: number;
  readonly groupRates: readonly number[];
  /** NaN for none. */
  readonly maxNorm: number;
}

/** What a step is taken with. */
interface StepNumbers {
  readonly scheduled: Scheduled;
  readonly scale: number;
  readonly lossScale: number | undefined;
}

/** Takes the steps of one optimizer. */
export class Steps {
  readonly #state: State;
  readonly #queue: Queue;
  readonly #planner: Planner;
  readonly #runner: Runner;
  readonly #together: Together | undefined;
  /** What schedules gave for pending steps, by the number of completed steps. A skipped step leaves its own to the next one. */
  readonly #scheduled = new Map<number, Scheduled>();

  /** @param together In a world of several processes. */
  constructor({ state, queue, planner, runner }: Concerned, together: Together | undefined) {
    this.#together = together;
    this.#state = state;
    this.#queue = queue;
    this.#planner = planner;
    this.#runner = runner;
  }

  applyGradients(gradients: unknown, parameters: unknown, options: unknown): unknown {
    return this.#queue.call('applyGradients', () => {
      if (this.#together) throw blocking('applyGradients', this.#together);
      const { accumulated } = this.#state;
      const numbers = this.#numbers(options, 0);
      const copies = this.#planner.planCopies(parameters, gradients);
      this.#set(numbers, accumulated.count + copies.gradientCount);
      this.#runner.stepOnce(copies);
      this.#finish(numbers);
      return copies.result;
    });
  }

  update(parameters: unknown, gradients: unknown, options: unknown): void {
    this.#queue.begin('update');
    try {
      if (this.#together) throw blocking('update', this.#together);
      if (this.#runner.measures) this.#updateMeasured(parameters, gradients, options);
      else this.#updatePlain(parameters, gradients, options);
    } catch (error) {
      throw this.#queue.atCaller(error, 'update');
    } finally {
      this.#queue.end();
    }
  }

  /** Written without closures or objects: a warm step takes less than a microsecond. */
  #updatePlain(parameters: unknown, gradients: unknown, options: unknown): void {
    const { progress, groups, accumulated } = this.#state;
    const scale = options === undefined ? 1 : checkScale(options);
    const rate = progress.rate();
    const groupRates = groups.rates(progress.step, rate);
    const plan = this.#planner.plan(parameters, gradients);
    this.#runner.setNumbers(rate, groupRates, accumulated.count + plan.gradientCount, scale);
    this.#runner.step(plan);
    if (accumulated.count > 0) accumulated.clear();
    progress.completed(rate);
    groups.completed(groupRates);
  }

  #updateMeasured(parameters: unknown, gradients: unknown, options: unknown): void {
    const { accumulated } = this.#state;
    const numbers = this.#numbers(options, 0);
    const plan = this.#planner.plan(parameters, gradients);
    this.#set(numbers, accumulated.count + plan.gradientCount);
    this.#runner.step(plan);
    this.#finish(numbers);
  }

  /** A synchronous step is over. */
  #finish(numbers: StepNumbers): void {
    this.#checkSkipped(numbers);
    this.#state.accumulated.clear();
    this.#over(numbers);
  }

  updateAsync(parameters: unknown, gradients: unknown, options: unknown): Promise<LastRun> {
    const { plan, own, taken } = this.#queue.callAsync('updateAsync', () => {
      const own = this.#numbers(options, this.#queue.steps);
      const plan = (this.#together ?? this.#planner).plan(parameters, gradients, true);
      this.#scheduled.set(own.scheduled.step, own.scheduled);
      return { own, plan, taken: this.#state.accumulated.take() };
    });
    // The scales of its call, and the schedules of its number, which skips before it have changed.
    let numbers = own;
    let areSumsLost = false;
    const run = async (): Promise<LastRun> => {
      numbers = { ...own, scheduled: this.#scheduled.get(this.#state.progress.step) ?? own.scheduled };
      const gradients = taken.count + plan.gradientCount;
      await this.#together?.sum(plan, { ...numbers.scheduled, ...numbers, gradients }, () => {
        areSumsLost = true;
      });
      this.#set(numbers, gradients * (this.#together?.world.size ?? 1));
      this.#state.accumulated.use(taken);
      const run = await this.#runner.stepAsync(plan);
      this.#checkSkipped(numbers);
      return run;
    };
    const completed = (): void => {
      if (!this.#runner.isSkipped) this.#scheduled.delete(numbers.scheduled.step);
      this.#over(numbers);
      this.#forgetScheduled();
    };
    const failed = (): void => {
      this.#state.accumulated.giveBack(taken);
      if (areSumsLost) this.#state.accumulated.clear();
      this.#forgetScheduled();
    };
    const step = this.#queue.step({ plan, run, completed, failed });
    return this.#together ? step.finally(() => this.#together?.end()) : step;
  }

  /** The numbers of the step that comes `ahead` steps after the next one. */
  #numbers(options: unknown, ahead: number): StepNumbers {
    const scale = checkScale(options);
    return { scheduled: this.#schedule(ahead), scale, lossScale: this.#state.lossScale?.scale };
  }

  /** What a skipped step has left; else asks the schedules. */
  #schedule(ahead: number): Scheduled {
    const { progress, groups, around } = this.#state;
    const step = progress.step + ahead;
    const left = this.#scheduled.get(step);
    if (left) return left;
    const rate = progress.rate(ahead);
    return { step, rate, groupRates: groups.rates(step, rate), maxNorm: maxNormAt(around, step) };
  }

  #set({ scheduled, scale, lossScale }: StepNumbers, divisor: number): void {
    const { rate, groupRates, maxNorm } = scheduled;
    this.#runner.setMeasured(maxNorm, lossScale);
    this.#runner.setNumbers(rate, groupRates, divisor, lossScale === undefined ? scale : scale / lossScale);
  }

  /** What skipped steps have left, once no step is there to take it. */
  #forgetScheduled(): void {
    if (this.#queue.steps === 0) this.#scheduled.clear();
  }

  /** Throws if a step was not finite, and no smaller loss scale is left to try. */
  #checkSkipped({ lossScale }: StepNumbers): void {
    if (lossScale !== undefined && this.#runner.isSkipped) this.#state.lossScale?.checkSkipped(lossScale);
  }

  /** A step is over. A skipped one counts for nothing but the loss scale. */
  #over({ scheduled, lossScale }: StepNumbers): void {
    const { progress, groups, lossScale: present } = this.#state;
    const { isSkipped } = this.#runner;
    if (lossScale !== undefined && isSkipped) present?.skipped(lossScale);
    if (isSkipped) return;
    if (lossScale !== undefined) present?.completed(lossScale);
    progress.completed(scheduled.rate);
    groups.completed(scheduled.groupRates);
  }
}

/** Waiting for other processes would block the event loop. */
function blocking(what: string, { world }: Together): Error {
  const text = `expected updateAsync, since the world has ${String(world.size)} processes, which this would wait for`;
  return coded(Error, 'world-state', `${what}: ${text}`);
}
