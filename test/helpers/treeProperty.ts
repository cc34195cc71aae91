// The property that all others are cases of: whatever the tree, the memory, the method, the threads and the instruction
// set, some steps of the library give the oracle's bits, and nothing else is written.
import { type Leaf, SGD } from '../../lib';
import type { LeafData } from '../../lib/tree/dtype';
import { native } from '../../lib/addon/native';
import type { LeafSpec, SpecTree, Stepping } from './arbitraries';
import { bytesOf, copied, expectSameBits, expectSameBytes } from './bits';
import { ARRAYS, dataOf } from './leaves';
import { oracleStep } from './oracle';
import { at, gradientSpecs, type MadeTree, makeTree, refill, specsOf } from './specTree';
import { deviceFor, subnormalsOn } from './devices';

type AnyTree = Record<string, never>;

/** The oracle's own copy of a leaf that is stepped. */
interface Expected {
  readonly spec: LeafSpec;
  readonly keys: readonly string[];
  readonly w: LeafData;
  readonly v: LeafData | undefined;
}

/** Steps a drawn tree, some leaf of which has a gradient, and compares it with the oracle after every step. */
export async function expectOracleBits(specs: SpecTree, stepping: Stepping): Promise<void> {
  native().setThreads(stepping.threads);
  native().chooseInstructionSet(stepping.instructionSet);
  const run = new TreeRun(specs, stepping);
  for (let step = 1; step <= stepping.steps; step++) await run.step(step);
  run.expectOthersUntouched();
}

class TreeRun {
  readonly #stepping: Stepping;
  readonly #optimizer: SGD;
  readonly #gradientSpecs: SpecTree;
  readonly #parameters: MadeTree;
  readonly #gradients: MadeTree;
  readonly #expected: readonly Expected[];
  readonly #others: readonly (readonly [LeafData, Uint8Array])[];

  constructor(specs: SpecTree, stepping: Stepping) {
    const { memory, method, hostile } = stepping;
    const { learningRate, ...options } = stepping.hyperparameters;
    const shared = method === 'updateAsync';
    const dtypes = specsOf(specs).map(({ spec }) => spec.dtype);
    const device = deviceFor(dtypes, stepping.device);
    this.#stepping = { ...stepping, device };
    this.#optimizer = new SGD(learningRate, { ...options, device });
    this.#gradientSpecs = gradientSpecs(specs) ?? [];
    this.#parameters = makeTree(specs, memory, shared, hostile);
    this.#gradients = makeTree(this.#gradientSpecs, memory, shared, hostile);
    this.#expected = specsOf(this.#gradientSpecs).map(({ spec, keys }) => {
      const w = copied(this.#data(this.#parameters.tree, keys));
      return { spec, keys, w, v: options.momentum > 0 ? new ARRAYS[spec.dtype](w.length) : undefined };
    });
    const stepped = new Set(this.#expected.map(({ keys }) => JSON.stringify(keys)));
    this.#others = specsOf(specs)
      .filter(({ keys }) => !stepped.has(JSON.stringify(keys)))
      .map(({ keys }) => this.#data(this.#parameters.tree, keys))
      .map((data) => [data, bytesOf(data).slice()] as const);
  }

  #data(tree: unknown, keys: readonly string[]): LeafData {
    return dataOf(at(tree, keys) as Leaf);
  }

  /** One step, on gradients of its own. */
  async step(number: number): Promise<void> {
    const { hyperparameters, device, hostile } = this.#stepping;
    refill(this.#gradientSpecs, this.#gradients.tree, number, hostile);
    const gradients = this.#expected.map(({ keys }) => this.#data(this.#gradients.tree, keys));
    const before = gradients.map((data) => bytesOf(data).slice());
    await this.#take();
    this.#expected.forEach(({ spec, keys, w, v }, i) => {
      expectSameBytes(gradients[i], before[i], `gradient ${keys.join('.')}`);
      oracleStep(spec.dtype, hyperparameters, w, gradients[i], v, subnormalsOn(device));
    });
    this.#compare(`after step ${String(number)}`);
  }

  async #take(): Promise<void> {
    const parameters = this.#parameters.tree as AnyTree;
    const gradients = this.#gradients.tree as AnyTree;
    if (this.#stepping.method === 'update') this.#optimizer.update(parameters, gradients);
    else if (this.#stepping.method === 'updateAsync') await this.#optimizer.updateAsync(parameters, gradients);
    else this.#applyGradients(parameters, gradients);
  }

  /** Takes over what `applyGradients` returns, after checking that it left the parameters alone. */
  #applyGradients(parameters: AnyTree, gradients: AnyTree): void {
    const before = this.#expected.map(({ keys }) => bytesOf(this.#data(parameters, keys)).slice());
    const updated: unknown = this.#optimizer.applyGradients(gradients, parameters);
    this.#expected.forEach(({ keys }, i) => {
      const data = this.#data(parameters, keys);
      expectSameBytes(data, before[i], `old parameter ${keys.join('.')}`);
      bytesOf(data).set(bytesOf(this.#data(updated, keys)));
    });
  }

  #compare(when: string): void {
    const state: unknown = this.#optimizer.state.parameters;
    for (const { spec, keys, w, v } of this.#expected) {
      const path = keys.join('.');
      expectSameBits(spec.dtype, this.#data(this.#parameters.tree, keys), w, `parameter ${path} ${when}`);
      const kept = (at(state, keys) as { v?: Leaf }).v;
      if (v && kept) expectSameBits(spec.dtype, dataOf(kept), v, `v of ${path} ${when}`);
      if (!v !== !kept) throw new Error(`state of ${path} ${when}: expected ${v ? 'a v' : 'no v'}`);
    }
  }

  expectOthersUntouched(): void {
    this.#parameters.expectNeighboursUntouched();
    this.#gradients.expectNeighboursUntouched();
    for (const [data, before] of this.#others) expectSameBytes(data, before, 'a parameter without a gradient');
  }
}
