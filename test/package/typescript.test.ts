// The package's types in projects of users: strict, every declaration checked, and no library but ES2022.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRuntimes, linkTensorFlow, newProject, output, run, RUNTIMES, tool } from './project';

const OPTIONS = {
  target: 'es2022',
  lib: ['es2022'],
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
};

const project = newProject();

/** Compiles programs of `consumers/` there, next to them. */
function compile(
  options: Record<string, unknown>,
  files = ['typed.mts', 'typed.cts'],
  compiler = tool('typescript/bin/tsc'),
): void {
  const compilerOptions = { ...OPTIONS, ...options };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const { status, stdout } = run(project, [...compiler, '-p', '.']);
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
}

test.each([
  ['node16', { module: 'node16', moduleResolution: 'node16' }],
  ['nodenext', { module: 'nodenext', moduleResolution: 'nodenext' }],
])('moduleResolution %s; what is compiled runs', (_, options) => {
  compile(options);
  for (const file of ['typed.mjs', 'typed.cjs']) expect(output(project, [process.execPath, file])).toBe('');
});

test('moduleResolution bundler', () => {
  compile({ module: 'preserve', moduleResolution: 'bundler' });
});

const compilers: [string, string[]][] = [['of this repository', tool('typescript/bin/tsc')]];
if (RUNTIMES !== '') {
  compilers.push(['5.9', [process.execPath, inRuntimes('typescript-5.9', 'bin', 'tsc')]]);
}

test('an optimizer of TensorFlow.js', () => {
  linkTensorFlow(project);
  // Its declarations contradict each other.
  compile({ module: 'nodenext', lib: ['es2022', 'dom'], skipLibCheck: true }, ['tensorflow.mts']);
  expect(output(project, [process.execPath, 'tensorflow.mjs'])).toBe('');
});

test.each(compilers)('declarations, the web’s classes and models of classes, by TypeScript %s', (_, compiler) => {
  // Its own libraries are not ours to check.
  const options = { module: 'nodenext', declaration: true, lib: ['es2022', 'dom'], skipLibCheck: true };
  compile(options, ['fields.mts'], compiler);
  expect(output(project, [process.execPath, 'fields.mjs'])).toBe('');
});
