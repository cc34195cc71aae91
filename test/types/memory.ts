// Types of `zeros`, `zerosLike` and `clone`.
import { expectTypeOf } from 'expect-type';
import {
  assign,
  clone,
  fromBytes,
  type Dtype,
  type OptimizerState,
  SGD,
  type Tensor,
  type TensorTree,
  zeros,
  zerosLike,
} from 'metal-sgd';
import { block, frozen, halves, network, vector, type Block, type Frozen, type Network } from './models';

type F32 = Tensor<'float32'>;

// Shapes.
expectTypeOf(zeros(10)).toEqualTypeOf<F32>();
expectTypeOf(zeros([])).toEqualTypeOf<F32>();
expectTypeOf(zeros([784, 128])).toEqualTypeOf<F32>();
declare const shape: number[];
expectTypeOf(zeros(shape)).toEqualTypeOf<F32>();
declare const fixed: readonly [2, 3];
expectTypeOf(zeros(fixed)).toEqualTypeOf<F32>();

// Trees of shapes.
const tree = zeros({ hidden: { weight: [784, 128], bias: [128] }, output: { weight: [128, 10], bias: 10 } });
expectTypeOf(tree).toEqualTypeOf<{ hidden: { weight: F32; bias: F32 }; output: { weight: F32; bias: F32 } }>();
expectTypeOf(zeros({ layers: [[3, 2], 4] })).toEqualTypeOf<{ layers: [F32, F32] }>();
expectTypeOf(zeros({ layers: [{ w: [3, 2] }, { b: [1] }] })).toEqualTypeOf<{ layers: [{ w: F32 }, { b: F32 }] }>();
declare const byName: Record<string, number[]>;
expectTypeOf(zeros(byName)).toEqualTypeOf<Record<string, F32>>();
declare const list: { w: number[] }[];
expectTypeOf(zeros(list)).toEqualTypeOf<{ w: F32 }[]>();

// A copy as the place to load into.
declare const file: Uint8Array;
expectTypeOf(fromBytes(file, { into: zerosLike(network) }).tree).toEqualTypeOf<Network>();
expectTypeOf(fromBytes(file, { into: clone(network) }).tree).toEqualTypeOf<Network>();
expectTypeOf(fromBytes<Network>(file).tree).toEqualTypeOf<Network>();
expectTypeOf(fromBytes(file, { prefix: 'parameters' }).tree).toEqualTypeOf<TensorTree>();

// assign, and zerosLike of another dtype.
expectTypeOf(assign(network, clone(network))).toEqualTypeOf<Network>();
expectTypeOf(zerosLike(vector, 'bfloat16')).toEqualTypeOf<Tensor<'bfloat16'>>();
expectTypeOf(zerosLike({ a: [vector] }, 'float64')).toEqualTypeOf<{ a: [Tensor<'float64'>] }>();
assign(
  { w: vector, b: zeros([2, 2]) },
  {
    w: [1, 2, 3],
    b: [
      [1, 2],
      [3, 4],
    ],
  },
);
assign({ w: vector }, { w: new Float64Array(3) });
// @ts-expect-error -- text among numbers
assign({ w: vector }, { w: [1, '2'] });
// @ts-expect-error -- no such leaf
assign({ w: vector }, { v: [1] });

// Dtypes.
expectTypeOf(zeros([2], 'bfloat16')).toEqualTypeOf<Tensor<'bfloat16'>>();
expectTypeOf(zeros({ w: 2 }, 'float64')).toEqualTypeOf<{ w: Tensor<'float64'> }>();
expectTypeOf(zeros(2).data).toEqualTypeOf<Float32Array>();
expectTypeOf(zeros(2, 'float64').data).toEqualTypeOf<Float64Array>();
expectTypeOf(zeros(2, 'float16').data).toEqualTypeOf<Uint16Array>();
expectTypeOf(zeros(2, 'bfloat16').dtype).toEqualTypeOf<'bfloat16'>();
declare const dtype: Dtype;
expectTypeOf(zeros(2, dtype)).toEqualTypeOf<Tensor>();
// @ts-expect-error -- no such dtype
zeros(2, 'int8');

// Copies keep their type.
expectTypeOf(zerosLike(network)).toEqualTypeOf<Network>();
expectTypeOf(zerosLike(frozen)).toEqualTypeOf<Frozen>();
expectTypeOf(zerosLike(block)).toEqualTypeOf<Block>();
expectTypeOf(zerosLike(halves)).toEqualTypeOf<Tensor<'float16'>>();
expectTypeOf(zerosLike(tree)).toEqualTypeOf(tree);
expectTypeOf(clone(network)).toEqualTypeOf<Network>();
expectTypeOf(clone(vector)).toEqualTypeOf<Float32Array>();
expectTypeOf(clone(new SGD(0.1).state)).toEqualTypeOf<OptimizerState>();
// @ts-expect-error -- no leaf
zerosLike('weights');
// @ts-expect-error -- no leaf inside
zerosLike({ w: new Int8Array(3) });
