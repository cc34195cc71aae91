// What an optimizer tells: properties that can't be assigned.
import type { World } from './world';
import type { Averages } from '../tree/types';
import type { DeviceChoice, LastRun } from './device';
import type { Engine } from './engine';
import type { SGDGroup } from './group';

/** Properties of `SGD` that only read. */
export interface SGDReadings {
  /** The groups, in the order of the option, with the values that hold. Their options can be assigned. */
  readonly groups: readonly SGDGroup[];
  /** True if 16-bit parameters have float32 masters. */
  readonly masterWeights: boolean;
  /**
   * The moving averages, in the place of their parameters: the live arrays. `undefined` without `emaDecay`. Throws with code
   * `busy` while asynchronous steps are pending.
   */
  readonly averages: Averages | undefined;
  /** The processes that step together; `undefined`: this one alone. */
  readonly world: World | undefined;
  /** The device that was asked for. */
  readonly device: DeviceChoice;
  /** What the last step did, and where it ran. `undefined` before the first. */
  readonly lastRun: LastRun | undefined;
  /** Number of steps of `updateAsync` that are not over. */
  readonly pending: number;
}

const READINGS: { readonly [K in keyof SGDReadings]: (engine: Engine) => SGDReadings[K] } = {
  groups: ({ configuration }) => configuration.groups,
  masterWeights: ({ masterWeights }) => masterWeights,
  averages: ({ averages }) => averages,
  device: ({ runner }) => runner.device,
  world: ({ world }) => world,
  lastRun: ({ runner }) => runner.lastRun,
  pending: ({ pending }) => pending,
};

/** Gives the instances of the class these properties. */
export function defineReadings<T>(prototype: T, engineOf: (instance: T) => Engine): void {
  for (const [name, read] of Object.entries(READINGS)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: T) {
        return read(engineOf(this));
      },
    });
  }
}
