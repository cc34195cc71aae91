// How long the package takes to load, and then to make its first step, which loads the addon.
import { answer, given } from '../child';
import type * as metalSgd from 'metal-sgd';

const { device } = given() as { device: 'cpu' | 'gpu' };
const start = performance.now();
// eslint-disable-next-line @typescript-eslint/no-require-imports -- what is measured
const { SGD, zeros, zerosLike } = require('metal-sgd') as typeof metalSgd;
const loaded = performance.now();
const parameters = zeros(1000);
new SGD(0.1, { momentum: 0.9, device }).update(parameters, zerosLike(parameters));
answer({ load: loaded - start, firstStep: performance.now() - loaded });
