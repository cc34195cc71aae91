// What clipping by the norm costs small models: an optimizer that clips against the same without, on the same arrays.
import { SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { CLIPPED } from '../features';
import { atMost, medianMetric, type Metric } from '../metrics';
import { type Model, modelNamed, modelOf } from '../models';
import { fill } from '../values';
import { type Pair, timesInTurn, timeSteps } from './pairs';
import type { Context } from './part';

const STEPS_BEFORE = 500;
/** Nanoseconds that one sample should take. */
const SAMPLE = 1e7;

/** What a step that clips takes above one that does not, in microseconds. */
export function norm(context: Context): Metric[] {
  const perceptron = modelNamed('mlp') ?? modelOf('list', 4);
  const about = { part: 'goals', unit: 'us' };
  const above = 'clipped, update above the same without';
  return [
    ...measured(perceptron, { ...about, name: `perceptron, ${above}`, goal: atMost(5) }, context),
    ...measured(modelOf('list', 1000), { ...about, name: `1,000 leaves of 64, ${above}` }, context),
  ];
}

type About = Omit<Metric, 'value' | 'low' | 'high'>;

function measured(model: Model, about: About, { rounds, isSmoke, watch }: Context): Metric[] {
  const parameters = zeros(model.shapes as number[][]);
  const trees = { parameters, gradients: zerosLike(parameters) };
  fill(dataOf(parameters), dataOf(trees.gradients), 'float32');
  const pair = pairOf();
  let took = 0;
  for (const optimizer of [pair.bare, pair.featured]) took = timeSteps(optimizer, trees, STEPS_BEFORE) / STEPS_BEFORE;
  if (pair.featured.lastRun?.clipped !== true) throw new Error(`${model.name} was not clipped`);
  const steps = isSmoke ? 10 : Math.ceil(SAMPLE / took);
  const times = timesInTurn([pair], trees, { rounds, steps }, watch.signal);
  const differences = times.map(({ bare, featured }) => (featured - bare) / steps / 1000);
  return differences.length > 0 ? [medianMetric(about, differences)] : [];
}

function pairOf(): Pair {
  const { learningRate, momentum, weightDecay, maxNorm } = CLIPPED;
  const bare = new SGD(learningRate, { momentum, weightDecay, device: 'cpu' });
  return { bare, featured: new SGD(learningRate, { momentum, weightDecay, maxNorm, device: 'cpu' }) };
}

const dataOf = (leaves: readonly Tensor[]): Tensor['data'][] => leaves.map(({ data }) => data);
