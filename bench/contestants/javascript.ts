// The same loop in plain JavaScript, on ordinary typed arrays. It has one thread, whatever is asked for.
import type { Dtype } from 'metal-sgd';
import type { Case, Contestant, Outcome, Rule, Runner } from '../contestant';
import { type Data, fill, MEMORY, someValues } from '../values';
import { loopFor, type Loop } from './loops';

export const javascript: Contestant = {
  name: 'JavaScript',
  open: (given) => Promise.resolve(new JavaScriptRunner(given)),
  close: () => Promise.resolve(),
};

class JavaScriptRunner implements Runner {
  #parameters: readonly Data[];
  #gradients: readonly Data[];
  #velocities: readonly Data[];
  readonly #dtype: Dtype;
  readonly #rule: Rule;
  readonly #loop: Loop;

  constructor({ model, dtype, rule }: Case) {
    const allocate = (): Data[] => model.counts.map((count) => new MEMORY[dtype](count));
    this.#parameters = allocate();
    this.#gradients = allocate();
    this.#velocities = rule.momentum > 0 ? allocate() : [];
    fill(this.#parameters, this.#gradients, dtype);
    this.#dtype = dtype;
    this.#rule = rule;
    this.#loop = loopFor(dtype, rule);
  }

  time(steps: number): Promise<number> {
    const velocities = this.#velocities.length > 0 ? this.#velocities : this.#parameters; // not touched then
    const start = process.hrtime.bigint();
    for (let step = 0; step < steps; step++) {
      for (let i = 0; i < this.#parameters.length; i++) {
        this.#loop(this.#parameters[i], this.#gradients[i], velocities[i], this.#rule);
      }
    }
    return Promise.resolve(Number(process.hrtime.bigint() - start));
  }

  outcome(): Promise<Outcome> {
    return Promise.resolve({ values: someValues(this.#parameters, this.#dtype) });
  }

  close(): Promise<void> {
    this.#parameters = this.#gradients = this.#velocities = [];
    return Promise.resolve();
  }
}
