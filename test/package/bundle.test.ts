// Bundles by esbuild: with the package left out, which is the way to do it, and with its JavaScript taken in.
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { emptyFolder, FIXTURES, newProject, output, packageIn, run } from './project';

const project = newProject();

/** What a bundle needs that is an ES module and holds CommonJS. */
const BANNER = [
  "import { createRequire as requireFrom } from 'node:module';",
  'const require = requireFrom(import.meta.url);',
  'const __dirname = import.meta.dirname;',
].join('');

/** Bundles a program into a file of `folder`. */
function bundle(program: string, folder: string, file: string, options: object): string {
  const outfile = join(folder, file);
  const all = { entryPoints: [program], outfile, bundle: true, platform: 'node', logLevel: 'warning', ...options };
  const code = `require(process.argv[1]).buildSync(${JSON.stringify(all)})`;
  const said = run(project, [process.execPath, '-e', code, join(ROOT, 'node_modules', 'esbuild')]);
  expect(said).toEqual({ status: 0, stdout: '', stderr: '' });
  return outfile;
}

const formats = [
  { format: 'CommonJS', program: 'commonjs.cjs', file: 'bundle.cjs', options: { format: 'cjs' } },
  {
    format: 'ES module',
    program: 'module.mjs',
    file: 'bundle.mjs',
    options: { format: 'esm', banner: { js: BANNER } },
  },
];

describe.each(formats)('$format', ({ program, file, options }) => {
  test('with the package external', () => {
    const made = bundle(program, project, file, { ...options, external: ['metal-sgd'] });
    expect(readFileSync(made, 'utf8')).not.toContain('node-gyp-build');
    expect(output(project, [process.execPath, made, FIXTURES])).toContain('"steps":690');
  });

  test('with everything but the addon in it, which METAL_SGD_PREBUILD finds', () => {
    const folder = emptyFolder();
    const made = bundle('commonjs.cjs', folder, file, options);
    cpSync(join(packageIn(project), 'prebuilds'), join(folder, 'addon', 'prebuilds'), { recursive: true });
    const env = { METAL_SGD_PREBUILD: join(folder, 'addon') };
    expect(output(folder, [process.execPath, made, FIXTURES], env)).toContain('"steps":690');
    const { status, stderr } = run(folder, [process.execPath, made, FIXTURES]);
    expect(status).toBe(1);
    expect(stderr).toContain('in a bundle, leave metal-sgd out (external), or set METAL_SGD_PREBUILD');
  });
});
