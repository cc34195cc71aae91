// The package's types in projects of users: strict, every declaration checked, and no library but ES2022.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newProject, output, run, tool } from './project';

const OPTIONS = {
  target: 'es2022',
  lib: ['es2022'],
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
};

const project = newProject();

/** Compiles the programs of `consumers/` there, next to them. */
function compile(options: Record<string, string>): void {
  const compilerOptions = { ...OPTIONS, ...options };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.mts', 'typed.cts'] }));
  const { status, stdout } = run(project, [...tool('typescript/bin/tsc'), '-p', '.']);
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
