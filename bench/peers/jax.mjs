// jax-js on its Wasm backend: what its optax chains for `sgd`, under one jit over the whole tree.
import { readFileSync } from 'node:fs';
import { blockUntilReady, defaultDevice, init, jit, numpy as np } from '@jax-js/jax';
import { serve } from './serve.mjs';

const MOST_LEAVES = 500; // beyond, it takes minutes to trace, and ends for want of memory

await init('wasm');
defaultDevice('wasm');

/** New parameter and velocity of one leaf; every use but the last one of an array counts a reference. */
function stepLeaf(w, v, g, { learningRate, momentum, weightDecay, dampening, nesterov }) {
  const decayed = g.add(w.ref.mul(weightDecay));
  if (!(momentum > 0)) return [w.sub(decayed.mul(learningRate))];
  const taken = dampening > 0 ? decayed.ref.mul(1 - dampening) : decayed.ref;
  const velocity = v.mul(momentum).add(taken);
  if (!nesterov) decayed.dispose();
  const update = nesterov ? decayed.add(velocity.ref.mul(momentum)) : velocity.ref;
  return [w.sub(update.mul(learningRate)), velocity];
}

function open({ rule, shapes, parameters, gradients }) {
  if (shapes.length > MOST_LEAVES) return `it traces ${MOST_LEAVES} leaves at most in a reasonable time`;
  const arrays = (all) => all.map((data, i) => np.array(data, { shape: shapes[i] }));
  let w = arrays(parameters);
  let v = rule.momentum > 0 ? shapes.map((shape) => np.zeros(shape)) : [];
  const g = arrays(gradients);
  const step = jit((w, v, g) => {
    const stepped = w.map((one, i) => stepLeaf(one, v[i], g[i], rule));
    return [stepped.map(([one]) => one), stepped.flatMap(([, one]) => one ?? [])];
  });
  return {
    step: () => {
      [w, v] = step(
        w,
        v,
        g.map((one) => one.ref),
      );
      return blockUntilReady([w, v]); // steps that pile up would take all of its 4 GiB
    },
    data: () => Promise.all(w.map((one) => one.ref.data())),
    close: () => {
      for (const one of [...w, ...v, ...g]) one.dispose();
      step.dispose();
    },
  };
}

const manifest = new URL('node_modules/@jax-js/jax/package.json', import.meta.url);
await serve(JSON.parse(readFileSync(manifest, 'utf8')).version, open);
