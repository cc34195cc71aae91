// How the steps of an optimizer run: the device, and the row of numbers that the addon reads and writes.
import type { Target } from '../addon/names';
import { type Choices, constants, native, type PreparedTree } from '../addon/native';
import { Settings } from '../addon/settings';
import { asMetalError } from '../errors';
import { measures, type SGDAround } from '../state/around';
import type { Hyperparameters } from '../state/hyperparameters';
import { type DeviceChoice, type LastRun, lastRunOf, policyFor, type DevicePolicy, type Run } from './device';
import { notFinite } from './notFinite';
import type { Plan } from './plan';

/** What a step is of: a plan, or copies of the parameters. */
interface Stepping {
  readonly prepared: PreparedTree;
  /** Of the parameters. */
  readonly names: readonly string[];
  /** Called if it has been taken. */
  settle(): void;
  /** Called if it fails. */
  failed(): void;
}

/** Runs the steps of one optimizer. */
export class Runner {
  /** As asked for. */
  readonly device: DeviceChoice;
  readonly settings: Settings;
  readonly choices: Choices | null;
  readonly isTogether: boolean;
  readonly #policy: DevicePolicy;
  readonly #addon = native();
  /** The last step; `undefined` before the first. */
  #ran: Run | undefined;
  #measures = false;
  #throws = false;
  /** Of the present step. */
  #lossScale: number | undefined;
  #lastRun: LastRun | undefined;

  /** @param all The hyperparameters of the optimizer, then those of its groups. */
  constructor(device: DeviceChoice, all: readonly Hyperparameters[], around: Readonly<SGDAround>, isTogether: boolean) {
    this.isTogether = isTogether;
    this.device = device;
    this.#policy = policyFor(device);
    this.choices = this.target === 'auto' ? this.#addon.newChoices() : null;
    this.settings = new Settings(all.length - 1);
    this.settings.set('flushSubnormals', this.#policy.flushSubnormals);
    this.configure(all);
    this.configureAround(around);
  }

  get target(): Target {
    return this.#policy.target;
  }

  get flushesSubnormals(): boolean {
    return this.settings.get('flushSubnormals') === 1;
  }

  /** From now on float32 subnormals are flushed. */
  flush(): void {
    this.settings.set('flushSubnormals', true);
  }

  /** Hands the options to the addon. */
  configureAround(around: Readonly<SGDAround>): void {
    const { clipValue, emaDecay, nonFinite } = around;
    this.settings.set('clipValue', clipValue ?? 0);
    this.settings.set('emaDecay', emaDecay ?? 0);
    this.settings.set('nonFinite', constants().nonFinite.indexOf(nonFinite));
    this.#throws = nonFinite === 'error';
    this.#measures = measures(around);
    this.settings.setMaxNorm(NaN); // steps that measure set it
  }

  get measures(): boolean {
    return this.#measures;
  }

  /** Hands the hyperparameters to the addon. */
  configure(all: readonly Hyperparameters[]): void {
    all.forEach((hyperparameters, row) => {
      for (const [name, value] of Object.entries(hyperparameters) as [keyof Hyperparameters, number | boolean][]) {
        this.settings.set(name, value, row);
      }
    });
  }

  /** Sets the numbers of the next step. `divisor`: gradients that the sum stands for. */
  setNumbers(learningRate: number, groupRates: readonly number[], divisor: number, scale: number): void {
    this.settings.setStep(learningRate, divisor, scale);
    if (groupRates.length > 0) this.#setGroupRates(groupRates);
  }

  /** Sets those of a step that measures its gradients, too. `maxNorm`: NaN for none. */
  setMeasured(maxNorm: number, lossScale: number | undefined): void {
    this.settings.setMaxNorm(maxNorm);
    this.#lossScale = lossScale;
  }

  #setGroupRates(rates: readonly number[]): void {
    for (let i = 0; i < rates.length; i++) this.settings.setLearningRate(rates[i], i + 1);
  }

  /** Takes one step in place. */
  step(plan: Plan): void {
    if (!plan.isWarm) plan.ready();
    this.#step(plan.prepared, plan);
    if (!plan.isWarm) this.#over(plan);
    this.#lastRun = undefined;
  }

  /** A step is over. Throws if it was not finite, and is to say so. */
  #over(stepping: Stepping): void {
    this.#lastRun = undefined;
    this.#ran = { measures: this.#measures, lossScale: this.#lossScale };
    if (!this.isSkipped) stepping.settle();
    else if (this.#throws) throw notFinite(stepping.prepared, stepping.names);
  }

  /** True if the last step changed nothing. */
  get isSkipped(): boolean {
    return this.#measures && this.settings.isSkipped;
  }

  /** Takes one step in place, off this thread. */
  async stepAsync(plan: Plan): Promise<LastRun> {
    plan.ready();
    try {
      await this.#addon.stepAsync(plan.prepared, plan);
    } catch (error) {
      plan.failed();
      throw asMetalError(error);
    }
    this.#over(plan);
    return this.lastRun as LastRun;
  }

  /** Takes one step in place of leaves that won't come back as they are. */
  stepOnce(stepping: Stepping): void {
    this.#stepAndRelease(stepping.prepared, stepping);
  }

  /** The same for one leaf, which is no step of the optimizer. */
  stepSingle(prepared: PreparedTree, learningRate: number): void {
    this.#readLastRun(); // from the row that is about to change
    this.setNumbers(learningRate, [], 1, 1);
    this.#stepAndRelease(prepared);
  }

  #stepAndRelease(prepared: PreparedTree, stepping?: Stepping): void {
    try {
      this.#step(prepared, stepping);
      if (stepping) this.#over(stepping);
    } finally {
      this.#addon.release(prepared);
    }
  }

  #step(prepared: PreparedTree, stepping: Stepping | undefined): void {
    try {
      this.#addon.step(prepared);
    } catch (error) {
      stepping?.failed();
      throw asMetalError(error);
    }
  }

  /** Where the last step ran; `undefined` before the first. */
  get lastRun(): LastRun | undefined {
    this.#readLastRun();
    return this.#lastRun;
  }

  #readLastRun(): void {
    if (this.#ran) this.#lastRun ??= lastRunOf(this.#policy, this.settings, this.#ran);
  }
}
