// Types of saving and loading: which trees are taken, and what comes back.
import { expectTypeOf } from 'expect-type';
import {
  CheckpointDirectory,
  type Difference,
  fromBytes,
  type LoadedState,
  type LoadedTensors,
  loadTensors,
  nodeMlxState,
  saveTensors,
  SGD,
  type TensorTree,
  toBytes,
  torchState,
  zeros,
} from 'metal-sgd';
import { block, frozen, network, type Network } from './models';

const optimizer = new SGD(0.1);
const url = { href: 'file:///x', protocol: 'file:', pathname: '/x' };

expectTypeOf(optimizer.save('x')).toEqualTypeOf<Promise<string>>();
void optimizer.save(url, { parameters: network, metadata: { a: 'b' }, snapshot: true });
void optimizer.save((step) => `x-${step.toFixed()}`, { parameters: frozen });
expectTypeOf(optimizer.load('x', { parameters: block, strict: false })).toEqualTypeOf<Promise<LoadedState>>();
void optimizer.load('x', { from: torchState({ step: 3 }) });
void optimizer.load('x', { from: nodeMlxState() });
expectTypeOf(optimizer.toBytes({ parameters: frozen })).toEqualTypeOf<Uint8Array<ArrayBuffer>>();
expectTypeOf(optimizer.fromBytes(new Uint8Array(1)).differences).toEqualTypeOf<readonly Difference[]>();

void saveTensors('x', network, { a: 'b' });
expectTypeOf(toBytes(zeros({ a: [1] }))).toEqualTypeOf<Uint8Array<ArrayBuffer>>();
expectTypeOf(loadTensors('x', { into: network })).toEqualTypeOf<Promise<LoadedTensors<Network>>>();
expectTypeOf(fromBytes(new Uint8Array(1)).tree).toEqualTypeOf<TensorTree>();
expectTypeOf(fromBytes<Network>(new Uint8Array(1), { prefix: 'parameters' }).tree).toEqualTypeOf<Network>();

const checkpoints = new CheckpointDirectory('runs', { keep: 2 });
expectTypeOf(checkpoints.save(optimizer, { parameters: network })).toEqualTypeOf<Promise<string>>();
expectTypeOf(checkpoints.load(optimizer, { parameters: network })).toEqualTypeOf<Promise<LoadedState | undefined>>();
expectTypeOf(checkpoints.newest()).toEqualTypeOf<Promise<string | undefined>>();

// @ts-expect-error -- a string is no leaf
void optimizer.save('x', { parameters: { w: 'weights' } });
// @ts-expect-error -- metadata are strings
void saveTensors('x', network, { a: 1 });
// @ts-expect-error -- PyTorch's state has no step of its own
torchState({});
// @ts-expect-error -- a path is a string or a URL
void optimizer.load(3);
