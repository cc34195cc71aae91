// Building from source, where there is no binary: the command that the error names, run as it stands.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, FIXTURES, newProject, output, packageIn, run } from './project';

test('an installed package without binaries builds itself by the command in its error, and trains', () => {
  const project = newProject();
  const folder = packageIn(project);
  rmSync(join(folder, 'prebuilds'), { recursive: true });
  const { status, stderr } = run(project, [process.execPath, 'commonjs.cjs', FIXTURES]);
  expect(status).toBe(1);
  const command = /to build it, with CMake and a C\+\+17 compiler: (.+)/.exec(stderr)?.[1] ?? '';
  expect(command).toContain(`npx cmake-js build -d ${folder}`);
  const shell = process.platform === 'win32' ? ['cmd', '/c'] : ['sh', '-c'];
  output(join(project, '..'), [...shell, command]);
  expect(filesBelow(folder)).toContain('build/Release/metal-sgd.node');
  expect(output(project, [process.execPath, 'commonjs.cjs', FIXTURES])).toContain('"steps":690');
}, 300_000);
