// The examples of frameworks, installed from the packed package in an empty folder.
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { installExample, packInto, run } from '../helpers/installedExample';

const newFolder = temporaryFolders();
let tarball: string;
beforeAll(() => {
  tarball = packInto(newFolder());
}, 600_000);

test('TensorFlow.js trains a CNN to 98 %', () => {
  const folder = installExample('tensorflow', newFolder(), tarball);
  const printed = run(folder, ['npm', 'start']);
  expect(printed).toContain('loss over 12 epochs');
  expect(Number(/^test accuracy: ([\d.]+) %$/m.exec(printed)?.[1])).toBeGreaterThanOrEqual(98);
}, 600_000);

describe('jax-js', () => {
  /** On Linux a driver for Vulkan that needs no GPU. */
  const DRIVER =
    process.platform === 'linux'
      ? { VK_ICD_FILENAMES: '/usr/lib/chromium/vk_swiftshader_icd.json', XDG_RUNTIME_DIR: tmpdir() }
      : {};
  const EPOCHS = 24; // 1,056 steps

  interface Report {
    readonly accuracy: number;
    readonly losses: readonly number[];
    /** Bytes of the process at the beginning of each epoch. */
    readonly memory: readonly number[];
    readonly milliseconds: Readonly<Record<string, number>>;
  }

  let folder: string;
  beforeAll(() => {
    if (process.platform === 'linux') run(ROOT, ['sh', 'scripts/lib/install.sh', 'libvulkan1', 'chromium']);
    folder = installExample('jax', newFolder(), tarball);
  }, 600_000);

  function train(backend: string): Report {
    const report = join(newFolder(), 'report.json');
    const options = ['--backend', backend, '--epochs', String(EPOCHS), '--report', report];
    const printed = run(folder, ['npm', 'start', '--', ...options], DRIVER);
    expect(Number(/^test accuracy: ([\d.]+) %$/m.exec(printed)?.[1])).toBeGreaterThanOrEqual(98);
    return JSON.parse(readFileSync(report, 'utf8')) as Report;
  }

  test('trains a CNN to 98 % over WebGPU as over WebAssembly, and keeps no memory', () => {
    const [webgpu, wasm] = ['webgpu', 'wasm'].map(train) as [Report, Report];
    expect(webgpu.accuracy).toBeCloseTo(wasm.accuracy, 2);
    expect(webgpu.losses).toHaveLength(EPOCHS * 44);
    webgpu.losses.slice(0, 50).forEach((loss, i) => {
      expect(Math.abs(loss - (wasm.losses[i] ?? NaN))).toBeLessThan(1e-4);
    });
    for (const { memory, milliseconds } of [webgpu, wasm]) {
      const names = ['copy', 'forward and backward', 'step', 'upload', 'waiting'];
      expect(Object.keys(milliseconds).sort()).toEqual(names);
      // A buffer of 154 KB kept by each step would be 140 MB.
      expect((memory.at(-1) ?? Infinity) - (memory[2] ?? 0)).toBeLessThan(40e6);
    }
  }, 900_000);

  const text = readFileSync(join(ROOT, 'docs', 'frameworks.md'), 'utf8').split('## jax-js')[1] ?? '';

  test('trains the networks that docs/frameworks.md measures', () => {
    const commands = [...text.matchAll(/`npm start -- (--hidden \d+ --epochs \d+)`/g)].map(([, options]) => options);
    expect(commands).toHaveLength(2);
    for (const options of commands) {
      const printed = run(folder, ['npm', 'start', '--', ...options.split(' '), '--backend', 'wasm']);
      const [, parameters] = /^median times of a step of (\d+) parameters: upload /m.exec(printed) ?? [];
      expect(text).toContain(`| ${Number(parameters).toLocaleString('en')}, \`wasm\` |`);
    }
  }, 300_000);

  test('is used as docs/frameworks.md shows', () => {
    const file = join(folder, 'documented.mjs');
    writeFileSync(file, /^```js\n(.*?)^```$/ms.exec(text)?.[1] ?? '');
    expect(run(folder, [process.execPath, file], DRIVER)).toBe('1 2 3\n');
  });

  test('gives trees that update, meanOf and accumulate take', () => {
    const file = join(folder, 'trees.mjs');
    writeFileSync(
      file,
      `import { defaultDevice, grad, init, numpy as np, tree } from '@jax-js/jax';
      import { SGD, meanOf } from 'metal-sgd';
      await init('wasm');
      defaultDevice('wasm');
      const array = (size) => np.array(Float32Array.from({ length: size }, (_, i) => i + 1));
      const start = { layers: [{ weight: array(3), bias: array(1) }, { weight: array(2) }], scale: array(4) };
      const lossOf = (parameters) => tree.leaves(parameters).map((one) => np.square(one).sum()).reduce((a, b) => a.add(b));
      async function treeOf(arrays) {
        const [leaves, structure] = tree.flatten(arrays);
        const tensors = leaves.map(async (one) => ({ dtype: 'float32', shape: one.shape, data: await one.data() }));
        return tree.unflatten(structure, await Promise.all(tensors));
      }
      const gradients = await treeOf(grad(lossOf)(tree.ref(start)));
      const ways = [
        (optimizer, parameters) => optimizer.update(parameters, gradients),
        (optimizer, parameters) => optimizer.update(parameters, meanOf(gradients, gradients)),
        (optimizer, parameters) => {
          optimizer.accumulate(gradients);
          optimizer.update(parameters, gradients);
        },
      ];
      for (const way of ways) {
        const parameters = await treeOf(tree.ref(start));
        way(new SGD(0.25, { trainable: /weight|scale/ }), parameters);
        const { layers, scale } = parameters;
        console.log(JSON.stringify([layers[0].weight, layers[0].bias, layers[1].weight, scale].map(({ data }) => [...data])));
      }`,
    );
    expect(run(folder, [process.execPath, file])).toBe('[[0.5,1,1.5],[1],[0.5,1],[0.5,1,1.5,2]]\n'.repeat(3));
  });

  test('answers the question of npm run verify', () => {
    const answer = run(
      ROOT,
      [process.execPath, 'scripts/verify/jax.mjs', JSON.stringify({ folder, epochs: 1 })],
      DRIVER,
    );
    const { webgpu, wasm } = JSON.parse(answer) as Record<
      'webgpu' | 'wasm',
      { stepsPerSecond: number; losses: number[] }
    >;
    for (const found of [webgpu, wasm]) {
      expect(found.stepsPerSecond).toBeGreaterThan(0);
      expect(found.losses).toHaveLength(44);
    }
  }, 300_000);
});
