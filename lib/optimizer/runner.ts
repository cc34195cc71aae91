// How the steps of an optimizer run: the device, and the row of numbers that the addon reads and writes.
import type { Target } from '../addon/names';
import { native, type PreparedTree } from '../addon/native';
import { Settings } from '../addon/settings';
import { asMetalError } from '../errors';
import type { Hyperparameters } from '../state/hyperparameters';
import { type DeviceChoice, type LastRun, lastRunOf, policyFor, type DevicePolicy } from './device';
import type { Plan } from './plan';

/** Runs the steps of one optimizer. */
export class Runner {
  /** As asked for. */
  readonly device: DeviceChoice;
  readonly settings: Settings;
  readonly #policy: DevicePolicy;
  readonly #addon = native();
  #hasRun = false;

  /** @param all The hyperparameters of the optimizer, then those of its groups. */
  constructor(device: DeviceChoice, all: readonly Hyperparameters[]) {
    this.device = device;
    this.#policy = policyFor(device);
    this.settings = new Settings(all.length - 1);
    this.settings.set('flushSubnormals', this.#policy.flushSubnormals);
    this.configure(all);
  }

  get target(): Target {
    return this.#policy.target;
  }

  /** Hands the hyperparameters to the addon. */
  configure(all: readonly Hyperparameters[]): void {
    all.forEach((hyperparameters, row) => {
      for (const [name, value] of Object.entries(hyperparameters) as [keyof Hyperparameters, number | boolean][]) {
        this.settings.set(name, value, row);
      }
    });
  }

  #setRates(learningRate: number, groupRates: readonly number[]): void {
    this.settings.setLearningRate(learningRate);
    for (let i = 0; i < groupRates.length; i++) this.settings.setLearningRate(groupRates[i], i + 1);
  }

  /** Takes one step in place. */
  step({ prepared }: Plan, learningRate: number, groupRates: readonly number[]): void {
    this.#setRates(learningRate, groupRates);
    try {
      this.#addon.step(prepared);
    } catch (error) {
      throw asMetalError(error);
    }
    this.#hasRun = true;
  }

  /** Takes one step in place, off this thread. */
  async stepAsync(plan: Plan, learningRate: number, groupRates: readonly number[]): Promise<void> {
    this.#setRates(learningRate, groupRates);
    try {
      await this.#addon.stepAsync(plan.prepared, plan);
    } catch (error) {
      throw asMetalError(error);
    }
    this.#hasRun = true;
  }

  /** Takes one step in place of leaves that won't come back as they are. */
  stepOnce(prepared: PreparedTree, learningRate: number, groupRates: readonly number[]): void {
    this.#setRates(learningRate, groupRates);
    this.#stepAndRelease(prepared);
    this.#hasRun = true;
  }

  /** The same for one leaf, which is no step of the optimizer. */
  stepSingle(prepared: PreparedTree, learningRate: number): void {
    this.settings.setLearningRate(learningRate);
    this.#stepAndRelease(prepared);
  }

  #stepAndRelease(prepared: PreparedTree): void {
    try {
      this.#addon.step(prepared);
    } catch (error) {
      throw asMetalError(error);
    } finally {
      this.#addon.release(prepared);
    }
  }

  /** Where the last step ran; `undefined` before the first. */
  get lastRun(): LastRun | undefined {
    return this.#hasRun ? lastRunOf(this.#policy, this.settings) : undefined;
  }
}
