// The ES module has the types of the CommonJS one: the same class, not a copy of it.
import { expectTypeOf } from 'expect-type';
import * as esm from 'metal-sgd';
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the other module format is the point
import cjs = require('metal-sgd');

expectTypeOf(esm.SGD).toEqualTypeOf(cjs.SGD);
expectTypeOf(new esm.SGD(0.1)).toEqualTypeOf<InstanceType<typeof cjs.SGD>>();
expectTypeOf<keyof typeof esm>().toEqualTypeOf<keyof typeof cjs>();
new esm.MetalError('timeout', 'too late') satisfies cjs.MetalError;
// @ts-expect-error -- no such code
new esm.MetalError('unknown', 'too late');
