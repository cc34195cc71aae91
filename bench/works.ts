// What is stepped: each work is a list of leaves.
import { resnet50 } from './resnet50';

export interface Work {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  /** Elements of each leaf, and of all. */
  readonly counts: readonly number[];
  readonly total: number;
  /** Works of one group are measured in turn with each other, so that their times can be compared. */
  readonly group: 'large' | 'small';
}

const RESNET = resnet50();
const RESNET_TOTAL = RESNET.map(elements).reduce((sum, count) => sum + count, 0);

export const WORKS: readonly Work[] = [
  // As many elements as ResNet-50, so that the two show what leaves cost.
  makeWork('leaf-25.6m', [[RESNET_TOTAL]], 'large'),
  makeWork('resnet50', RESNET, 'large'),
  makeWork('mlp', [[784, 128], [128], [128, 10], [10]], 'small'),
  makeWork('leaf-1000', [[1000]], 'small'),
];

function makeWork(name: string, shapes: Work['shapes'], group: Work['group']): Work {
  const counts = shapes.map(elements);
  return { name, shapes, counts, total: counts.reduce((sum, count) => sum + count, 0), group };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, axis) => product * axis, 1);
}
