// metal-sgd's features as a user runs them: means of gradients, accumulation, clipping, masters and averages.
import { meanOf, SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { type Case, type Contestant, ITEM_SIZES, type Outcome, type Rule, trafficOf } from '../contestant';
import { MEAN } from '../features';
import { setThreads } from '../internals';
import { type Data, fill, fillGradients, hashOf, someValues } from '../values';

/** Parameters, and the trees of gradients of one step. */
interface Trees {
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly (readonly Tensor[])[];
}

/** How one contestant takes a step of the optimizer. */
interface Way {
  readonly name: string;
  readonly step: (optimizer: SGD, trees: Trees) => void;
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

/** All ways to take a step of the rule; the first one is what a user writes first. */
export function featureContestants(rule: Rule): Contestant[] {
  const ways = rule.name === MEAN.name ? [UPDATE_MEAN, ACCUMULATE] : [UPDATE];
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

const dataOf = (leaves: readonly Tensor[]): Data[] => leaves.map(({ data }) => data);

class FeatureRunner {
  readonly #shared: Shared;
  readonly #optimizer: SGD;
  readonly #given: Case;
  readonly #way: Way;

  constructor(given: Case, way: Way, shared: Shared) {
    const { dtype, rule } = given;
    const { parameters, gradients } = (shared.trees ??= treesFor(given));
    shared.users++;
    fill(dataOf(parameters), dataOf(gradients[0]), dtype);
    gradients.forEach((tree, i) => {
      if (i > 0) fillGradients(dataOf(tree), dtype, i);
    });
    const { learningRate, momentum, weightDecay, dampening, nesterov, masters = false } = rule;
    const { emaDecay, maxNorm, nonFinite } = rule;
    const options = { momentum, weightDecay, dampening, nesterov, masterWeights: masters };
    this.#optimizer = new SGD(learningRate, { ...options, emaDecay, maxNorm, nonFinite, device: 'cpu' });
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
    return Promise.resolve(Number(end - start));
  }

  outcome(): Promise<Outcome> {
    const slots = this.#optimizer.state.parameters as Partial<Record<'v' | 'master' | 'ema', Tensor>>[];
    const hash = (part: 'v' | 'master' | 'ema'): number => {
      const leaves = slots.flatMap((slot) => slot[part] ?? []);
      return leaves.length > 0 ? hashOf(dataOf(leaves)) : 0;
    };
    const data = dataOf(this.#trees.parameters);
    return Promise.resolve({
      hashes: [hashOf(data), hash('v'), hash('master'), hash('ema')],
      values: someValues(data, this.#given.dtype),
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
