// What README and docs show runs as it is written, compiles in TypeScript and prints what it says; what they name exists.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asCommonJS, type Block, isModuleOnly, printedBy, runnableBlocks, waits } from '../helpers/blocks';
import { ROOT, runNode } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const runnable = runnableBlocks();
const [first] = runnable;
const newFolder = temporaryFolders();

/** TensorFlow.js recommends another of its packages in Node. */
const TENSORFLOWS_ADVICE = /\n=+\nHi, looks like you are running TensorFlow\.js in Node\.js\..*\n=+\n/;

/** A user's project that has the package, and these files. */
function projectWith(files: Readonly<Record<string, string>>): string {
  const folder = newFolder();
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  symlinkSync(ROOT, join(modules, 'metal-sgd'), 'junction');
  symlinkSync(join(ROOT, 'node_modules', '@tensorflow'), join(modules, '@tensorflow'), 'junction');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function run(name: string, text: string): string {
  const { status, stdout, stderr } = runNode([name], { cwd: projectWith({ [name]: text }) });
  expect({ status, stderr: stderr.replace(TENSORFLOWS_ADVICE, '') }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** Prints something, and what it says if it says anything. */
function expectToRun(block: Block, name: string, text: string): void {
  const printed = run(name, text);
  const said = printedBy(block);
  if (said.length > 0) expect(printed.trimEnd().split('\n')).toEqual(said);
  else expect(printed).not.toBe('');
}

test('README begins with an example, and it is short', () => {
  expect(first.place).toMatch(/^README\.md:/);
  expect(first.code.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
});

test('most examples say what they print', () => {
  expect(runnable.filter((block) => printedBy(block).length > 0).length).toBeGreaterThan(runnable.length / 2);
});

describe.each(runnable.map((block) => [block.place, block] as const))('%s', (_, block) => {
  test('runs as an ES module', () => {
    expectToRun(block, 'example.mjs', block.code);
  });

  if (isModuleOnly(block)) return;
  test('runs as CommonJS', () => {
    expectToRun(block, 'example.cjs', asCommonJS(block));
  });
});

test('all examples compile in strict TypeScript, each alone', () => {
  const placeOf = (block: Block): string => block.place.replaceAll(/\W/g, '-');
  const modules = runnable.map((block) => [`${placeOf(block)}.mts`, block.code] as const);
  const commonJS = runnable
    .filter((block) => !waits(block) && !isModuleOnly(block))
    .map((block) => [`${placeOf(block)}.cts`, block.code] as const);
  expect(commonJS.map(([name]) => name)).toContain(`${placeOf(first)}.cts`);
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    skipLibCheck: true, // TensorFlow.js's declarations contradict each other; test/package checks ours
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    types: ['node'],
  };
  const folder = projectWith({
    ...Object.fromEntries([...modules, ...commonJS]),
    'tsconfig.json': JSON.stringify({ compilerOptions }),
  });
  const { status, stdout } = runNode([require.resolve('typescript/bin/tsc'), '-p', folder]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

test('the first example trains its bias towards 0, 1 and 2', () => {
  const [, bias, step, device] = /\[([^\]]*)\] (\d+) (cpu|gpu)/.exec(run('example.mjs', first.code)) ?? [];
  expect({ step, device }).toEqual({ step: '100', device: expect.stringMatching(/^[cg]pu$/) as string });
  bias.split(',').forEach((value, i) => {
    expect(Number(value)).toBeCloseTo(i, 1);
  });
});

test('the bundle keeps the names of classes', () => {
  const text =
    "import { CheckpointDirectory, SGD } from 'metal-sgd';\nconsole.log(SGD.name, CheckpointDirectory.name);";
  expect(run('names.mjs', text)).toBe('SGD CheckpointDirectory\n');
});

test('README names the line for CommonJS that its first example needs', () => {
  const [imports] = asCommonJS(first).split('\n');
  expect(readme).toContain(imports);
});

test('README gives the figures of its chart', () => {
  const [, text, file] = /!\[([^\]]*)\]\((docs\/[^)]*\.svg)\)/.exec(readme) ?? [];
  const svg = readFileSync(join(ROOT, file), 'utf8');
  const bars = [...text.matchAll(/([\w.-]+) (\d[\d.]*\d)(?=,|$)/g)].map(([, name, figure]) => ({ name, figure }));
  expect(bars.map(({ name }) => name)).toEqual(['metal-sgd', 'PyTorch', 'MLX', 'TensorFlow.js', 'jax-js']);
  for (const { name, figure } of bars) {
    expect(svg).toContain(`>${name}`);
    expect(svg).toContain(`>${figure} ms<`);
  }
});

test('every script that README names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)].map(
    (found) => found.slice(1).find(Boolean) ?? '',
  );
  expect(named).toEqual(expect.arrayContaining(['start', 'test']));
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});
