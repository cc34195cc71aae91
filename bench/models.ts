// What is stepped: each model is a list of leaves.
import { gpt2 } from './gpt2';
import { resnet50 } from './resnet50';

type Shapes = readonly (readonly number[])[];

/** Models of one group are measured in turn with each other, so that their times can be compared. */
export type Group = 'large' | 'small' | 'list' | 'gpt2';

export interface Model {
  readonly name: string;
  readonly shapes: Shapes;
  /** Elements of each leaf, and of all. */
  readonly counts: readonly number[];
  readonly total: number;
  readonly group: Group;
}

const RESNET = resnet50();
const LIST_LEAF = 64;

export const MODELS: readonly Model[] = [
  // As many elements as ResNet-50, so that the two show what leaves cost.
  makeModel('leaf-25.6m', [[totalOf(RESNET)]], 'large'),
  makeModel('resnet50', RESNET, 'large'),
  makeModel('mlp', [[784, 128], [128], [128, 10], [10]], 'small'),
  makeModel('leaf-1000', [[1000]], 'small'),
  makeModel('list-100k', list(100_000), 'list'),
  makeModel('gpt2', gpt2(), 'gpt2'),
];

/** Of a list: more are too many to make, whatever the memory. */
const MOST_LEAVES = 1e7;

/** Elements from which on a model doesn't stay in a processor's own caches. */
export const LARGE = 1_000_000;

/** One of `MODELS`, or one that its name describes: `leaf-10k`, of so many elements, or `list-1m`, of so many leaves. */
export function modelNamed(name: string): Model | undefined {
  const known = MODELS.find((model) => model.name === name);
  const described = /^(leaf|list)-([1-9][0-9]*(?:\.[0-9]+)?)([km]?)$/.exec(name);
  if (known || !described) return known;
  const [, kind, digits, unit] = described;
  const count = Math.round(Number(digits) * { '': 1, k: 1e3, m: 1e6 }[unit as '' | 'k' | 'm']);
  if (kind === 'list' && count > MOST_LEAVES) return undefined;
  return kind === 'leaf'
    ? makeModel(name, [[count]], count >= LARGE ? 'large' : 'small')
    : makeModel(name, list(count), 'list');
}

/** `leaf-10k` for 10,000. */
export function nameFor(kind: 'leaf' | 'list', count: number): string {
  const [divisor, unit] = count % 1e6 === 0 ? [1e6, 'm'] : count % 1e3 === 0 ? [1e3, 'k'] : [1, ''];
  return `${kind}-${String(count / divisor)}${unit}`;
}

/** Of a size or number of leaves that a part of the suite goes through. */
export function modelOf(kind: 'leaf' | 'list', count: number): Model {
  const model = modelNamed(nameFor(kind, count));
  if (!model) throw new Error(`no model of ${String(count)}`);
  return model;
}

function list(leaves: number): Shapes {
  return Array.from({ length: leaves }, () => [LIST_LEAF]);
}

function makeModel(name: string, shapes: Shapes, group: Group): Model {
  return { name, shapes, counts: shapes.map(elements), total: totalOf(shapes), group };
}

function totalOf(shapes: Shapes): number {
  return shapes.reduce((sum, shape) => sum + elements(shape), 0);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, axis) => product * axis, 1);
}
