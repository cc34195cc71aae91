// Resident bytes that steps take at most, above the arrays and above a process that has loaded the package.
import { SGD, zeros, zerosLike } from 'metal-sgd';
import { answer, given } from '../child';
import type { VERBS } from '../selection';
import { modelNamed } from '../models';

const STEPS = 5;

interface Given {
  readonly model: string;
  readonly verb: (typeof VERBS)[number];
}

async function main({ model, verb }: Given): Promise<void> {
  const shapes = modelNamed(model)?.shapes ?? [];
  step(zeros(1000));
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let parameters = zeros(shapes);
  const gradients = zerosLike(parameters);
  for (const { data } of [...parameters, ...gradients]) data.fill(0.5); // which touches every page
  const arrays = 3 * parameters.reduce((sum, { data }) => sum + data.byteLength, 0);
  const optimizer = new SGD(0.1, { momentum: 0.9 });
  for (let i = 0; i < STEPS; i++) {
    if (verb === 'update') optimizer.update(parameters, gradients);
    else if (verb === 'updateAsync') await optimizer.updateAsync(parameters, gradients);
    else parameters = optimizer.applyGradients(gradients, parameters);
  }
  answer(process.resourceUsage().maxRSS * 1024 - before - arrays);
}

function step(parameters: ReturnType<typeof zeros<number>>): void {
  new SGD(0.1, { momentum: 0.9 }).update(parameters, zerosLike(parameters));
}

void main(given() as Given);
