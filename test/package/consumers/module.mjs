// The package by import: `module.mjs FIXTURES` prints how many steps were right, and whether require gives the same.
import { createRequire } from 'node:module';
import * as sgd from 'metal-sgd';
import { MetalError, SGD } from 'metal-sgd';
import { train } from './train.cjs';

const required = createRequire(import.meta.url)('metal-sgd');
const shared = sgd.SGD === required.SGD && SGD === required.SGD && MetalError === required.MetalError;
console.log(JSON.stringify({ steps: await train(sgd, process.argv[2]), shared }));
