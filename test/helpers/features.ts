// The reference values of test/fixtures/features, decoded. What each file is and how equal results must be: the fixtures' README.md.
import type { DynamicLossScale, SGDOptions } from '../../lib';
import { type Dtype, type LeafData, viewOf } from '../../lib/tree/dtype';
import { fixture } from './fixtures';
import { unflatten } from './paths';

interface RawTensor {
  readonly shape: number[];
  readonly data: string;
}

type RawTree = Readonly<Record<string, RawTensor>>;

/** Elements by the path of their leaf. */
export type Elements = Readonly<Record<string, LeafData>>;

/** A tree whose type does not matter. */
export type Nested = Record<string, never>;

interface RawStep {
  readonly gradients: RawTree | RawTree[];
  readonly parameters: RawTree;
  readonly v?: RawTree;
  readonly master?: RawTree;
  readonly ema?: RawTree;
  readonly scale?: number;
  readonly scaleAfter?: number;
  readonly norm?: number | null;
  readonly skipped?: boolean;
  readonly exactNorm?: number;
  readonly normalizer?: number;
}

interface RawCase {
  readonly name: string;
  readonly dtype?: Dtype;
  readonly learningRate: number;
  readonly options: SGDOptions;
  readonly groups?: ({ readonly endsWith: string } & Record<string, number | boolean>)[];
  readonly maxNorm?: number | null;
  readonly lossScale?: DynamicLossScale | null;
  readonly parameters: RawTree;
  readonly steps: RawStep[];
}

function elementsOf({ data }: RawTensor, dtype: Dtype): LeafData {
  const bytes = Buffer.from(data, 'base64');
  const copy = Uint8Array.from(bytes).buffer;
  const width = dtype === 'float32' ? 4 : 2;
  return viewOf(dtype, copy, 0, bytes.length / width);
}

const elements = (tree: RawTree | undefined, dtype: Dtype = 'float32'): Elements =>
  Object.fromEntries(Object.entries(tree ?? {}).map(([path, raw]) => [path, elementsOf(raw, dtype)]));

/** Tensors, nested by their paths. */
function nested(tree: RawTree, dtype: Dtype): Nested {
  const leaves = Object.entries(tree).map(([path, raw]) => {
    return [path, { data: elementsOf(raw, dtype), shape: raw.shape, dtype }] as const;
  });
  return unflatten(Object.fromEntries(leaves)) as Nested;
}

/** A step, and what it must give. */
export interface Step {
  /** One tree for each gradient. */
  readonly gradients: readonly Nested[];
  readonly parameters: Elements;
  readonly v: Elements;
  readonly master: Elements;
  readonly ema: Elements;
  /** The loss scale that the gradients are multiplied by. */
  readonly scale: number;
  readonly scaleAfter: number;
  readonly skipped: boolean;
  /** The norm that MLX or PyTorch computed; NaN where none. */
  readonly norm: number;
  /** The norm of all gradients, in double. */
  readonly exactNorm: number;
  /** What MLX multiplies the gradients by. */
  readonly normalizer: number;
}

export interface Case {
  readonly name: string;
  readonly dtype: Dtype;
  readonly learningRate: number;
  readonly options: SGDOptions;
  readonly groups: NonNullable<RawCase['groups']>;
  /** The largest norm; `undefined`: nothing is clipped. */
  readonly maxNorm: number | undefined;
  readonly lossScale: DynamicLossScale | undefined;
  readonly parameters: Nested;
  readonly steps: readonly Step[];
}

/** The cases of one file. */
export function featureCases(file: 'groups' | 'mean' | 'master' | 'ema' | 'torch' | 'clip'): readonly Case[] {
  const cases = JSON.parse(fixture(`features/${file}.json`).toString('utf8')) as RawCase[];
  return cases.map(({ name, dtype = 'float32', learningRate, options, groups = [], ...rest }) => ({
    name,
    dtype,
    learningRate,
    options,
    groups,
    maxNorm: rest.maxNorm ?? undefined,
    lossScale: rest.lossScale ?? undefined,
    parameters: nested(rest.parameters, dtype),
    steps: rest.steps.map((step) => ({
      gradients: [step.gradients].flat().map((tree) => nested(tree, dtype)),
      parameters: elements(step.parameters, dtype),
      v: elements(step.v),
      master: elements(step.master),
      ema: elements(step.ema),
      scale: step.scale ?? 1,
      scaleAfter: step.scaleAfter ?? 1,
      norm: step.norm ?? NaN,
      skipped: step.skipped ?? false,
      exactNorm: step.exactNorm ?? NaN,
      normalizer: step.normalizer ?? 1,
    })),
  }));
}
