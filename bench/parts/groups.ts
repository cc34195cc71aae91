// What groups cost: an optimizer that has one against the same without, on the same arrays.
import { SGD, type Tensor, zeros, zerosLike } from 'metal-sgd';
import { type Rule, RULES } from '../contestant';
import { atLeast, medianMetric, type Metric } from '../metrics';
import { modelNamed, modelOf } from '../models';
import { fill, valuesOf } from '../values';
import { timesInTurn, timeSteps } from './pairs';
import { type Context, hasMemory } from './part';

const RULE: Rule = RULES.find(({ name }) => name === 'momentum') ?? RULES[0];
/** Of optimizers. Which pages their velocities got makes some per cent of difference. */
const PAIRS = 3;
const STEPS_BEFORE = 2;

/** The biases of ResNet-50's 53 normalisations, which many train without weight decay. */
const isBias = (leaf: number): boolean => leaf % 3 === 2;

/** The speed of steps with a group relative to steps without, in pairs that take turns in going first. */
export function groups(context: Context): Metric[] {
  const { rounds, isSmoke, watch } = context;
  const model = isSmoke ? modelOf('list', 161) : (modelNamed('resnet50') ?? modelOf('list', 161));
  if (!hasMemory(4 * model.total * (2 + 2 * PAIRS), 'the cost of groups', context)) return [];
  const parameters = zeros(model.shapes as number[][]);
  const trees = { parameters, gradients: zerosLike(parameters) };
  const { learningRate, momentum, weightDecay } = RULE;
  const group = { parameters: (path: string) => isBias(Number(path)), weightDecay: 0 };
  const pairs = Array.from({ length: PAIRS }, () => ({
    bare: new SGD(learningRate, { momentum, weightDecay, device: 'cpu' }),
    featured: new SGD(learningRate, { momentum, weightDecay, device: 'cpu', groups: [group] }),
  }));
  const restart = (): void => {
    fill(dataOf(parameters), dataOf(trees.gradients), 'float32');
  };
  for (const { bare, featured } of pairs) {
    timeSteps(bare, trees, STEPS_BEFORE);
    restart();
    timeSteps(featured, trees, STEPS_BEFORE);
    checkDecay(parameters);
  }
  const times = timesInTurn(pairs, trees, { rounds, steps: isSmoke ? 100 : 1 }, watch.signal);
  const speeds = times.map(({ bare, featured }) => bare / featured);
  const name = `groups, speed relative to the same without, ${model.name}`;
  return speeds.length > 0 ? [medianMetric({ part: 'goals', name, unit: '', goal: atLeast(0.98) }, speeds)] : [];
}

const dataOf = (leaves: readonly Tensor[]): Tensor['data'][] => leaves.map(({ data }) => data);

/** @throws Error unless the first element of each leaf was decayed, or was not, as its group says. */
function checkDecay(parameters: readonly Tensor[]): void {
  let number = 0;
  parameters.forEach(({ data }, leaf) => {
    const expected = stepped(number, isBias(leaf) ? 0 : RULE.weightDecay);
    if (data[0] !== expected)
      throw new Error(`leaf ${String(leaf)} became ${String(data[0])} instead of ${String(expected)}`);
    number += data.length;
  });
}

/** What the rule with momentum makes of an element in float32, each operation rounded. */
function stepped(number: number, weightDecay: number): number {
  const { fround } = Math;
  const { gradient, parameter } = valuesOf(number);
  const [lambda, mu, decay] = [RULE.learningRate, RULE.momentum, weightDecay].map(fround);
  let [w, v] = [parameter, 0];
  for (let i = 0; i < STEPS_BEFORE; i++) {
    const g = decay === 0 ? gradient : fround(gradient + fround(decay * w));
    v = fround(fround(mu * v) + g);
    w = fround(w - fround(lambda * v));
  }
  return w;
}
