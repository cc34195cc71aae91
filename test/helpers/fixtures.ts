// The reference values of test/fixtures, decoded. What each file is and how equal results must be: its README.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dtype, LeafData } from '../../lib/tree/dtype';
import { elementsOf } from './leaves';
import type { Hyperparameters } from './oracle';

type Options = Omit<Hyperparameters, 'learningRate'>;

interface RawState {
  parameter: string;
  v: string | null;
}

interface RawCase {
  name: string;
  dtype: Dtype;
  options: Options;
  learningRate: number[];
  parameter: string;
  gradients: string[];
  expected: RawState[];
  mlx?: RawState[];
}

/** Parameter and velocity after a step; no velocity where the optimizer keeps none. */
export interface LeafState {
  readonly parameter: LeafData;
  readonly v: LeafData | undefined;
}

/** Several steps of one leaf. */
export interface GoldenCase {
  readonly name: string;
  readonly dtype: Dtype;
  /** Has float32 subnormals among operands or results, which GPUs flush. */
  readonly meetsSubnormals: boolean;
  readonly options: Options;
  readonly parameter: LeafData;
  readonly steps: readonly {
    readonly learningRate: number;
    readonly gradient: LeafData;
    readonly expected: LeafState;
    /** What MLX makes of a 16-bit step, rounding after every operation. */
    readonly mlx: LeafState | undefined;
  }[];
}

export function fixture(name: string): Buffer {
  return readFileSync(join(__dirname, '..', 'fixtures', name));
}

const parse = (name: string): unknown => JSON.parse(fixture(name).toString('utf8'));

const decode = (dtype: Dtype, base64: string): LeafData => elementsOf(dtype, Buffer.from(base64, 'base64'));

const CASE_FILES = [
  'sgd-float32.json',
  'sgd-float64.json',
  'sgd-float16.json',
  'sgd-bfloat16.json',
  'special-float32.json',
];

/** Every case of one leaf. */
export function goldenCases(): GoldenCase[] {
  return CASE_FILES.flatMap((file) =>
    (parse(file) as RawCase[]).map((raw) => decodeCase(raw, file.startsWith('special'))),
  );
}

function decodeCase(raw: RawCase, meetsSubnormals: boolean): GoldenCase {
  const { name, dtype, options, learningRate, gradients, expected, mlx } = raw;
  const state = ({ parameter, v }: RawState): LeafState => ({
    parameter: decode(dtype, parameter),
    v: v === null ? undefined : decode(dtype, v),
  });
  const steps = gradients.map((gradient, i) => ({
    learningRate: learningRate[i],
    gradient: decode(dtype, gradient),
    expected: state(expected[i]),
    mlx: mlx && state(mlx[i]),
  }));
  return { name, dtype, meetsSubnormals, options, parameter: decode(dtype, raw.parameter), steps };
}

/** MLX's learning rates at steps 0, 1, 2, ... of the schedule that a call like `stepDecay(0.1, 0.9, 10)` makes. */
export function goldenSchedules(): { schedule: string; values: number[] }[] {
  return parse('schedules.json') as { schedule: string; values: number[] }[];
}

interface RawTensor {
  shape: number[];
  data: string;
}

/** A float32 leaf of `tree.json`. */
export interface GoldenTensor {
  readonly shape: number[];
  readonly data: Float32Array;
}

/** Leaves by their dotted path. */
export type ByPath<T> = Record<string, T>;

interface RawTree {
  options: Options;
  learningRate: number;
  parameters: ByPath<RawTensor>;
  steps: {
    gradients: ByPath<RawTensor>;
    learningRate: number;
    step: number;
    parameters: ByPath<RawTensor>;
    v: ByPath<string>;
  }[];
}

export interface GoldenTree {
  readonly options: Options;
  readonly learningRate: number;
  readonly parameters: ByPath<GoldenTensor>;
  readonly steps: readonly {
    readonly gradients: ByPath<GoldenTensor>;
    readonly learningRate: number;
    readonly step: number;
    readonly parameters: ByPath<GoldenTensor>;
    readonly v: ByPath<Float32Array>;
  }[];
}

const mapValues = <T, U>(record: ByPath<T>, change: (value: T) => U): ByPath<U> =>
  Object.fromEntries(Object.entries(record).map(([path, value]) => [path, change(value)]));

const float32 = (base64: string): Float32Array => decode('float32', base64) as Float32Array;

const tensors = (raw: ByPath<RawTensor>): ByPath<GoldenTensor> =>
  mapValues(raw, ({ shape, data }) => ({ shape, data: float32(data) }));

/** Six steps of a nested model. */
export function goldenTree(): GoldenTree {
  const { options, learningRate, parameters, steps } = parse('tree.json') as RawTree;
  return {
    options,
    learningRate,
    parameters: tensors(parameters),
    steps: steps.map((step) => ({
      ...step,
      gradients: tensors(step.gradients),
      parameters: tensors(step.parameters),
      v: mapValues(step.v, float32),
    })),
  };
}
