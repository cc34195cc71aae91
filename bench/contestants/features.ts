// metal-sgd's features as a user runs them: means of gradients, accumulation, groups, masters and averages.
import { meanOf, SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { type Case, type Contestant, ITEM_SIZES, type Outcome, type Rule, trafficOf } from '../contestant';
import { GROUPS, MEAN } from '../features';
import { setThreads } from '../internals';
import { type Data, fill, fillGradients, hashOf, valuesOf } from '../values';

/** Parameters, and the trees of gradients of one step. */
interface Trees {
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly (readonly Tensor[])[];
}

/** How one contestant takes a step of the optimizer. */
interface Way {
  readonly name: string;
  readonly step: (optimizer: SGD, trees: Trees) => void;
  readonly hasGroup?: boolean;
  readonly traffic?: (given: Case) => number;
}

const UPDATE: Way = {
  name: 'metal-sgd',
  step: (optimizer, { parameters, gradients: [gradients] }) => {
    optimizer.update(parameters, gradients);
  },
};

const UPDATE_MEAN: Way = {
  name: 'metal-sgd',
  step: (optimizer, { parameters, gradients: [a, b, c, d] }) => {
    optimizer.update(parameters, meanOf(a, b, c, d)); // made anew, as in a loop of a user's
  },
};

const ACCUMULATE: Way = {
  name: 'metal-sgd accumulate',
  step: (optimizer, { parameters, gradients: [a, b, c, last] }) => {
    optimizer.accumulate(a);
    optimizer.accumulate(b);
    optimizer.accumulate(c);
    optimizer.update(parameters, last);
  },
  // Beside the gradients, their sum: written once, read and written twice more, and read by the step.
  traffic: (given) => trafficOf(given) + 6 * ITEM_SIZES[given.dtype] * given.model.total,
};

const UPDATE_GROUPS: Way = { ...UPDATE, name: 'metal-sgd groups', hasGroup: true };

/** All ways to take a step of the rule; the first one is what a user writes first. */
export function featureContestants(rule: Rule): Contestant[] {
  const ways =
    rule.name === MEAN.name
      ? [UPDATE_MEAN, ACCUMULATE]
      : rule.name === GROUPS.name
        ? [UPDATE, UPDATE_GROUPS]
        : [UPDATE];
  const shared: Shared = { users: 0, trees: undefined };
  return ways.map((way) => ({
    name: way.name,
    open: (given) => Promise.resolve(new FeatureRunner(given, way, shared)),
    ...(way.traffic ? { traffic: way.traffic } : {}),
    close: () => Promise.resolve(),
  }));
}

/** Trees that all ways step, so that they differ in nothing but the way: which pages an array got would show. */
interface Shared {
  users: number;
  trees: Trees | undefined;
}

/** The biases of ResNet-50's 53 normalisations, which many train without weight decay. */
const isBias = (leaf: number): boolean => leaf % 3 === 2;

const dataOf = (leaves: readonly Tensor[]): Data[] => leaves.map(({ data }) => data);

class FeatureRunner {
  readonly #shared: Shared;
  readonly #optimizer: SGD;
  readonly #given: Case;
  readonly #way: Way;
  #steps = 0;

  constructor(given: Case, way: Way, shared: Shared) {
    const { dtype, rule } = given;
    const { parameters, gradients } = (shared.trees ??= treesFor(given));
    shared.users++;
    fill(dataOf(parameters), dataOf(gradients[0]), dtype);
    gradients.forEach((tree, i) => {
      if (i > 0) fillGradients(dataOf(tree), dtype, i);
    });
    const { learningRate, momentum, weightDecay, dampening, nesterov, masters = false, emaDecay } = rule;
    const options = { momentum, weightDecay, dampening, nesterov, masterWeights: masters, emaDecay };
    const groups = [{ parameters: (path: string) => isBias(Number(path)), weightDecay: 0 }];
    this.#optimizer = new SGD(learningRate, { ...options, ...(way.hasGroup ? { groups } : {}), device: 'cpu' });
    this.#shared = shared;
    this.#given = given;
    this.#way = way;
  }

  get #trees(): Trees {
    return this.#shared.trees ?? NO_TREES;
  }

  time(steps: number): Promise<number> {
    setThreads(this.#given.threads);
    const { step } = this.#way;
    const [optimizer, trees] = [this.#optimizer, this.#trees];
    const start = process.hrtime.bigint();
    for (let i = 0; i < steps; i++) step(optimizer, trees);
    const end = process.hrtime.bigint();
    this.#steps += steps;
    return Promise.resolve(Number(end - start));
  }

  outcome(): Promise<Outcome> {
    if (this.#way.hasGroup) return Promise.resolve({ isRight: this.#decayIsRight() });
    const slots = this.#optimizer.state.parameters as Partial<Record<'v' | 'master' | 'ema', Tensor>>[];
    const hash = (part: 'v' | 'master' | 'ema'): number => {
      const leaves = slots.flatMap((slot) => slot[part] ?? []);
      return leaves.length > 0 ? hashOf(dataOf(leaves)) : 0;
    };
    return Promise.resolve({
      hashes: [hashOf(dataOf(this.#trees.parameters)), hash('v'), hash('master'), hash('ema')],
    });
  }

  /** The first element of each leaf, whether decayed or not. */
  #decayIsRight(): boolean {
    let number = 0;
    return this.#trees.parameters.every(({ data }, leaf) => {
      const expected = stepped(number, this.#steps, this.#given.rule, isBias(leaf) ? 0 : this.#given.rule.weightDecay);
      number += data.length;
      return data[0] === expected;
    });
  }

  close(): Promise<void> {
    if (--this.#shared.users === 0) this.#shared.trees = undefined;
    return Promise.resolve();
  }
}

const NO_TREES: Trees = { parameters: [], gradients: [] };

function treesFor({ model, dtype, rule }: Case): Trees {
  const parameters = zeros(model.shapes as number[][], dtype);
  return { parameters, gradients: Array.from({ length: rule.gradients ?? 1 }, () => zerosLike(parameters)) };
}

/** What the rule with momentum makes of an element in float32, each operation rounded. */
function stepped(number: number, steps: number, { learningRate, momentum }: Rule, weightDecay: number): number {
  const { fround } = Math;
  const { gradient, parameter } = valuesOf(number);
  const [lambda, mu, decay] = [learningRate, momentum, weightDecay].map(fround);
  let [w, v] = [parameter, 0];
  for (let i = 0; i < steps; i++) {
    const g = decay === 0 ? gradient : fround(gradient + fround(decay * w));
    v = fround(fround(mu * v) + g);
    w = fround(w - fround(lambda * v));
  }
  return w;
}
