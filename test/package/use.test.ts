// The installed package trains as the fixtures say, to the bit, in every way to import it and every runtime.
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, FIXTURES, inRuntimes, linkTensorFlow, newProject, output, run, RUNTIMES } from './project';

/** Deno asks for permissions; these are enough. */
const DENO = ['run', '--no-prompt', '--allow-ffi', '--allow-read', '--allow-write', '--allow-env', '--allow-sys'];

/** How to run a program on each runtime. */
const runtimes: readonly (readonly [name: string, ...command: string[]])[] =
  RUNTIMES === ''
    ? [['this Node', process.execPath]]
    : [
        ...[20, 22, 24, 26].map((major): [string, string] => [
          `Node ${String(major)}`,
          inRuntimes(`node-${String(major)}`, 'bin', 'node'),
        ]),
        ['Bun', inRuntimes('@oven', 'bun-linux-x64', 'bin', 'bun')],
        ['Deno', inRuntimes('@deno', 'linux-x64-glibc', 'deno'), ...DENO],
      ];

const STEPS = 690;

describe('installed with --ignore-scripts', () => {
  const project = newProject();
  linkTensorFlow(project);

  describe.each(runtimes)('on %s', (name, ...command) => {
    const train = (program: string): unknown => JSON.parse(output(project, [...command, program, FIXTURES])) as unknown;

    test('is what its name says', () => {
      const version = output(project, [command[0], '--version']).trim();
      expect(version).toMatch(name.startsWith('Node ') ? new RegExp(`^v${name.slice(5)}\\.`) : /\d+\.\d+\.\d+/);
    });

    test('CommonJS', () => {
      expect(train('commonjs.cjs')).toEqual({ steps: STEPS });
    });

    test('an ES module, with the same classes', () => {
      expect(train('module.mjs')).toEqual({ steps: STEPS, shared: true });
    });

    test('an optimizer of TensorFlow.js', () => {
      const printed =
        output(project, [...command, 'tensorflow.mjs'])
          .trim()
          .split('\n')
          .at(-1) ?? '';
      expect(JSON.parse(printed)).toEqual({ elements: [-0.75, 0.25], shared: true });
    });

    test('a worker thread, with the memory of the main one', () => {
      expect(train('worker.cjs')).toEqual({ steps: STEPS, seen: [1, 1, 1, 0] });
    });
  });
});

test('installed with scripts allowed and no compiler in reach', () => {
  const bin = emptyFolder();
  symlinkSync(process.execPath, join(bin, process.platform === 'win32' ? 'node.exe' : 'node'));
  expect(run(bin, [process.execPath, '-e', "require('child_process').execFileSync('cc')"], { PATH: bin }).status).toBe(
    1,
  );
  const project = newProject([], { PATH: bin });
  expect(output(project, [process.execPath, 'commonjs.cjs', FIXTURES], { PATH: bin })).toContain(String(STEPS));
});

test('a wrong result would be seen', () => {
  const project = newProject();
  const file = join(project, 'train.cjs');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('optimizer.learningRate = learningRate[i];', ''));
  expect(existsSync(join(project, 'node_modules'))).toBe(true);
  expect(run(project, [process.execPath, 'commonjs.cjs', FIXTURES]).stderr).toContain('expected');
});
