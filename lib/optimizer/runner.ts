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
  readonly settings = new Settings();
  readonly #policy: DevicePolicy;
  readonly #addon = native();
  #hasRun = false;

  constructor(device: DeviceChoice, hyperparameters: Hyperparameters) {
    this.device = device;
    this.#policy = policyFor(device);
    this.settings.set('flushSubnormals', this.#policy.flushSubnormals);
    this.configure(hyperparameters);
  }

  get target(): Target {
    return this.#policy.target;
  }

  /** Hands the hyperparameters to the addon. */
  configure(hyperparameters: Hyperparameters): void {
    for (const [name, value] of Object.entries(hyperparameters) as [keyof Hyperparameters, number | boolean][]) {
      this.settings.set(name, value);
    }
  }

  /** Takes one step in place. */
  step({ prepared }: Plan, learningRate: number): void {
    this.settings.learningRate = learningRate;
    try {
      this.#addon.step(prepared);
    } catch (error) {
      throw asMetalError(error);
    }
    this.#hasRun = true;
  }

  /** Takes one step in place, off this thread. */
  async stepAsync(plan: Plan, learningRate: number): Promise<void> {
    this.settings.learningRate = learningRate;
    try {
      await this.#addon.stepAsync(plan.prepared, plan);
    } catch (error) {
      throw asMetalError(error);
    }
    this.#hasRun = true;
  }

  /** Takes one step in place of leaves that won't come back as they are. */
  stepOnce(prepared: PreparedTree, learningRate: number): void {
    this.stepSingle(prepared, learningRate);
    this.#hasRun = true;
  }

  /** The same for one leaf, which is no step of the optimizer. */
  stepSingle(prepared: PreparedTree, learningRate: number): void {
    this.settings.learningRate = learningRate;
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
