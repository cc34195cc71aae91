// Types of the class `SGD`: which trees its methods take, and what they give.
import { expectTypeOf } from 'expect-type';
import {
  assign,
  cosineDecay,
  type DeepPartial,
  type DynamicLossScale,
  type Gradients,
  type LastRun,
  type LossScaleState,
  meanOf,
  type NonFinite,
  type NotALeaf,
  type OptimizerState,
  type Schedule,
  SGD,
  type Tensor,
  type Tree,
  zeros,
  zerosLike,
} from 'metal-sgd';
import { block, doubles, float16, frozen, halves, network, shaped, vector, type Network } from './models';

const optimizer = new SGD(0.1);

// Whole trees, and gradients for a part of them.
optimizer.init(network);
optimizer.update(network, network);
optimizer.update(network, {});
optimizer.update(network, { output: { bias: vector } });
optimizer.update(network, { hidden: [{ weight: vector }, {}] });
optimizer.update(frozen, frozen);
optimizer.update(frozen, { layers: [{ bias: shaped }] });
optimizer.update(block, { children: [{ children: [{ weight: doubles }] }] });
optimizer.update({ w: vector, b: [vector, halves] }, { b: [vector] });
optimizer.update([vector, doubles] as const, [shaped]);
optimizer.update(vector, shaped);
optimizer.update({ half: float16 }, { half: halves });
optimizer.update({ half: halves }, { half: float16 });
expectTypeOf(optimizer.updateAsync(network, { output: {} })).toEqualTypeOf<Promise<LastRun>>();
const made = zeros({ layers: [{ w: [2, 3] }, { w: 4 }] });
optimizer.update(made, { layers: [{}, { w: vector }] });

// In generic functions.
export function generic<P>(parameters: P & Tree<P>, gradients: Gradients<P>, some: DeepPartial<P>): void {
  optimizer.update(parameters, zerosLike(parameters));
  optimizer.update(parameters, gradients);
  optimizer.update(parameters, some);
  void optimizer.updateAsync(parameters, zerosLike(parameters));
  void optimizer.updateAsync(parameters, gradients);
  assign(parameters, zerosLike(parameters));
}
// A gradient may be undefined: as one that is not there.
optimizer.update(network, { output: { bias: undefined } });

// What is no leaf, in parameters.
expectTypeOf<Tree<{ a: string; b: [Map<string, number>] }>['a']>().toEqualTypeOf<NotALeaf>();
const words = new Uint16Array(1);
// @ts-expect-error -- a string is no leaf
optimizer.update({ w: 'weights' }, {});
// @ts-expect-error -- a DataView
optimizer.update({ w: new DataView(new ArrayBuffer(4)) }, {});
// @ts-expect-error -- an array of BigInts
optimizer.update({ w: new BigInt64Array(1) }, {});
// @ts-expect-error -- words without a dtype
optimizer.update({ w: words }, {});
// @ts-expect-error -- null is no leaf
optimizer.update({ w: null }, {});
// @ts-expect-error -- a Map is no tree
optimizer.update(new Map([['w', vector]]), {});
// @ts-expect-error -- a function
optimizer.init({ w: () => vector });

// What does not fit, in gradients.
// @ts-expect-error -- no such parameter
optimizer.update(network, { output: { gamma: vector } });
// @ts-expect-error -- a string is no leaf
optimizer.update(network, { output: { bias: 'gradient' } });
// @ts-expect-error -- a DataView
optimizer.update(network, { output: { bias: new DataView(new ArrayBuffer(4)) } });
// @ts-expect-error -- another dtype
optimizer.update(network, { output: { bias: doubles } });
// @ts-expect-error -- another dtype of the same words
optimizer.update({ half: halves }, { half: zeros(1, 'bfloat16') });
// @ts-expect-error -- a branch for a leaf
optimizer.update(network, { output: { bias: { x: vector } } });
// @ts-expect-error -- more items than parameters
optimizer.update([vector] as const, [vector, vector]);
// @ts-expect-error -- asynchronously likewise
void optimizer.updateAsync(network, { outputs: {} });

// Results have the leaves of the parameters.
expectTypeOf(optimizer.applyGradients(network, network)).toEqualTypeOf<Network>();
expectTypeOf(optimizer.applyGradients({ w: shaped }, { w: vector })).toEqualTypeOf<{ w: Float32Array }>();
const partial = optimizer.applyGradients({ a: shaped }, { a: vector, b: halves });
expectTypeOf(partial.a).toEqualTypeOf<Float32Array | undefined>();
expectTypeOf(partial.b).toEqualTypeOf<Tensor<'float16'> | undefined>();
// @ts-expect-error -- no such parameter
optimizer.applyGradients({ c: vector }, { a: vector });
expectTypeOf(optimizer.applySingle(shaped, vector, {})).toEqualTypeOf<Float32Array>();
expectTypeOf(optimizer.applySingle(float16, halves, {})).toEqualTypeOf<Tensor<'float16'>>();
// @ts-expect-error -- another dtype
optimizer.applySingle(doubles, vector, {});
const single: { v?: Float32Array } = {};
optimizer.initSingle(vector, single);

// Options and hyperparameters.
new SGD(cosineDecay(0.1, 1000), { momentum: 0.9, nesterov: true, weightDecay: 1e-4, dampening: 0, device: 'gpu' });
new SGD((step) => 1 / (step + 1), { momentum: undefined });
expectTypeOf<ConstructorParameters<typeof SGD>[0]>().toEqualTypeOf<number | Schedule>();
// @ts-expect-error -- no such option
new SGD(0.1, { learning_rate: 0.1 });
// @ts-expect-error -- no such device
new SGD(0.1, { device: 'cuda' });
// @ts-expect-error -- a string is no leaf
new SGD('0.1');
// @ts-expect-error -- required
new SGD();
optimizer.learningRate = 0.5;
optimizer.learningRate = cosineDecay(0.1, 10);
expectTypeOf(optimizer.learningRate).toBeNumber();
expectTypeOf(optimizer.step).toBeNumber();
expectTypeOf(optimizer.device).toEqualTypeOf<'auto' | 'gpu' | 'cpu'>();
expectTypeOf(optimizer.lastRun).toEqualTypeOf<LastRun | undefined>();
expectTypeOf(optimizer.state).toEqualTypeOf<OptimizerState>();
optimizer.state = new SGD(0.1).state;
// @ts-expect-error -- as asked in the constructor
optimizer.device = 'cpu';
// @ts-expect-error -- a boolean is wanted
optimizer.nesterov = 1;

// What happens to gradients before the rule.
optimizer.update(network, meanOf(network, network));
optimizer.update({ half: float16 }, meanOf({ half: halves }, { half: vector }));
optimizer.update({ a: vector, b: vector }, meanOf({ a: vector, b: vector }, { a: vector }));
// @ts-expect-error -- another dtype in one of them
optimizer.update(vector, meanOf(vector, doubles));
optimizer.update({ half: halves }, { half: vector });
// @ts-expect-error -- float32 parameters take no float16
optimizer.update(vector, halves);
optimizer.update(network);
optimizer.update(network, undefined, { gradientScale: 2 });
// @ts-expect-error -- no option of a step
optimizer.update(network, network, { learningRate: 2 });
optimizer.accumulate(network);
optimizer.accumulate(meanOf(network, network));
// @ts-expect-error -- a number is no leaf
optimizer.accumulate({ w: 5 });
expectTypeOf(optimizer.applyGradients(meanOf(network, network), network)).toEqualTypeOf<Network>();
assign(zerosLike(network), optimizer.averages ?? {});
expectTypeOf(optimizer.masterWeights).toEqualTypeOf<boolean>();
// @ts-expect-error -- chosen at the constructor
optimizer.masterWeights = true;
optimizer.clipValue = undefined;
optimizer.maxNorm = 1;
optimizer.maxNorm = cosineDecay(2, 100);
optimizer.maxNorm = undefined;
expectTypeOf(new SGD(0.1).maxNorm).toEqualTypeOf<number | Schedule | undefined>();
// @ts-expect-error -- neither a number nor a schedule
optimizer.maxNorm = '1';
optimizer.nonFinite = 'error';
expectTypeOf(new SGD(0.1).nonFinite).toEqualTypeOf<NonFinite>();
// @ts-expect-error -- nothing to do with what is not finite
optimizer.nonFinite = 'stop';
new SGD(0.1, { maxNorm: (step) => 1 / (step + 1), nonFinite: 'skip', lossScale: 1024 });
new SGD(0.1, { lossScale: {}, maxNorm: undefined, nonFinite: undefined });
const dynamic: DynamicLossScale = { initial: 8, growthFactor: 2, backoffFactor: 0.5, growthInterval: 10, minimum: 1 };
new SGD(0.1, { lossScale: dynamic });
// @ts-expect-error -- a number or an object
new SGD(0.1, { lossScale: 'dynamic' });
// @ts-expect-error -- PyTorch's name
new SGD(0.1, { lossScale: { init_scale: 8 } });
optimizer.lossScale = 1024;
expectTypeOf(new SGD(0.1).lossScale).toEqualTypeOf<number | undefined>();
expectTypeOf(optimizer.state.lossScale).toEqualTypeOf<LossScaleState | undefined>();
expectTypeOf<LastRun['gradientNorm' | 'gradientMax' | 'lossScale']>().toEqualTypeOf<number | undefined>();
expectTypeOf<LastRun['clipped' | 'skipped']>().toBeBoolean();
// @ts-expect-error -- not a first step
optimizer.firstStep = 'keras';
optimizer.applySingle(vector, halves, {});
