// The reference values of test/fixtures/features, decoded. What each file is and how equal results must be: the fixtures' README.md.
import type { Tensor } from '../../lib';
import { fixture } from './fixtures';
import { unflatten } from './paths';

interface RawTensor {
  readonly shape: number[];
  readonly data: string;
}

type RawTree = Readonly<Record<string, RawTensor>>;

interface RawCase {
  readonly name: string;
  readonly learningRate: number;
  readonly options: Record<string, number | boolean>;
  readonly parameters: RawTree;
  readonly groups: ({ readonly endsWith: string } & Record<string, number | boolean>)[];
  readonly steps: { readonly gradients: RawTree; readonly parameters: RawTree; readonly v: RawTree }[];
}

/** Elements by the path of their leaf. */
export type Elements = Readonly<Record<string, Float32Array>>;

const elementsOf = ({ data }: RawTensor): Float32Array => {
  const bytes = Buffer.from(data, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

const elements = (tree: RawTree): Elements =>
  Object.fromEntries(Object.entries(tree).map(([path, raw]) => [path, elementsOf(raw)]));

/** Tensors, nested by their paths. */
const nested = (tree: RawTree): Record<string, never> => {
  const leaves = Object.entries(tree).map(([path, raw]): [string, Tensor] => [
    path,
    { data: elementsOf(raw), shape: raw.shape, dtype: 'float32' },
  ]);
  return unflatten(Object.fromEntries(leaves)) as Record<string, never>;
};

/** MLX's `MultiOptimizer`: steps, and what they must give. */
export function groupCases(): {
  readonly name: string;
  readonly learningRate: number;
  readonly options: Record<string, number | boolean>;
  readonly groups: RawCase['groups'];
  readonly parameters: Record<string, never>;
  readonly steps: { gradients: Record<string, never>; parameters: Elements; v: Elements }[];
}[] {
  const cases = JSON.parse(fixture('features/groups.json').toString('utf8')) as RawCase[];
  return cases.map((one) => ({
    ...one,
    parameters: nested(one.parameters),
    steps: one.steps.map(({ gradients, parameters, v }) => ({
      gradients: nested(gradients),
      parameters: elements(parameters),
      v: elements(v),
    })),
  }));
}
