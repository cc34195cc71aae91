// The shape of the project: which layer knows which, what the built addon holds, what the package promises.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { ROOT } from '../helpers/child';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Files below a folder, as paths from the root with slashes. */
function filesIn(folder: string, pattern: RegExp): string[] {
  const found = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

const SOURCES = /\.(cpp|h|inc|mm|metal)$/;

/** What a C++ file includes, as written. */
const includesOf = (path: string): string[] =>
  [...read(path).matchAll(/^\s*#\s*(?:include|import)\s*[<"]([^>"]+)[>"]/gm)].map(([, name]) => name);

/** The layer in which an included file of ours lies, or undefined for a header of somebody else. */
function layerOf(from: string, included: string): string | undefined {
  const beside = join(from, '..', included);
  const candidates = [beside, join('native', included), join('binding', included)];
  const ours = candidates.find((path) => existsSync(join(ROOT, path)));
  return ours && (ours.startsWith(join('native', 'kernels')) ? 'native/kernels' : ours.split(sep)[0]);
}

describe('arrows go one way: lib -> binding -> native -> native/kernels', () => {
  const kernels = filesIn('native/kernels', SOURCES);
  const native = filesIn('native', SOURCES).filter((path) => !kernels.includes(path));
  const binding = filesIn('binding', SOURCES);

  test('there is something to check', () => {
    expect(kernels).toContain('native/kernels/sgd_rule.h');
    expect(native.length).toBeGreaterThan(15);
    expect(binding.length).toBeGreaterThan(5);
    expect(layerOf('binding/memory.cpp', 'cpu/cpu.h')).toBe('native');
    expect(layerOf('native/cpu/loops.h', 'kernels/sgd_params.h')).toBe('native/kernels');
    expect(includesOf('binding/view.h')).toContain('napi.h');
  });

  test.each([
    ['native/kernels', kernels, ['native/kernels']],
    ['native', native, ['native', 'native/kernels']],
    ['binding', binding, ['binding', 'native', 'native/kernels']],
  ])('%s includes nothing above it', (_, files, allowed) => {
    const wrong = files.flatMap((path) =>
      includesOf(path)
        .map((included) => [path, included, layerOf(path, included)])
        .filter(([, , layer]) => layer !== undefined && !allowed.includes(layer)),
    );
    expect(wrong).toEqual([]);
  });

  test('nothing under native includes Node’s or V8’s headers', () => {
    const wrong = [...native, ...kernels].filter((path) =>
      includesOf(path).some((included) => /napi|(^|\/)node|v8|^uv/i.test(included)),
    );
    expect(wrong).toEqual([]);
    expect([...native, ...kernels].filter((path) => /\bnapi_|\bNapi::|\bv8::/.test(read(path)))).toEqual([]);
  });

  test('binding knows no Metal, and no arithmetic', () => {
    const wrong = binding.filter(
      (path) => path.endsWith('.mm') || includesOf(path).some((one) => /Metal\/|Foundation|sgd_rule/.test(one)),
    );
    expect(wrong).toEqual([]);
  });

  test('native/proof knows the interface of backends alone', () => {
    const proof = filesIn('native/proof', SOURCES);
    const included = proof.flatMap((path) => includesOf(path).filter((name) => layerOf(path, name) !== undefined));
    expect(included).toContain('backend.h');
    expect(
      included.filter((name) => !['backend.h', 'comparison.h', 'proof.h', 'self_test.h', 'values.h'].includes(name)),
    ).toEqual([]);
  });

  test('no source of lib, binding or native is longer than 260 lines', () => {
    const sources = [...filesIn('lib', /\.m?ts$/), ...native, ...kernels, ...binding];
    expect(sources.filter((path) => read(path).split('\n').length > 261)).toEqual([]);
  });

  test('the rule is written once', () => {
    const rules = [...native, ...binding, ...kernels].filter((path) =>
      /\bsgd_rule\w*\s*\([^;]*\)\s*\{/.test(read(path)),
    );
    expect(rules).toEqual(['native/kernels/sgd_rule.h']);
  });
});

describe('lib', () => {
  const lib = filesIn('lib', /\.m?ts$/);
  const importsOf = (path: string): string[] =>
    [...read(path).matchAll(/(?:from|import|require\()\s*['"](\.[^'"]+)['"]/g)].map(([, name]) =>
      join(path, '..', name).split(sep).join('/'),
    );

  /** From the highest to the lowest. An entry for another package stands above `index.ts`, and the other flat files below all. */
  const ROOMS = 'tensorflow index optimizer checkpoint distributed gradients state safetensors memory addon tree'.split(
    ' ',
  );
  const roomOf = (path: string): number => {
    const [, folder, inside] = path.split('/');
    return inside ? ROOMS.indexOf(folder) : /^index\b/.test(folder) ? ROOMS.indexOf('index') : ROOMS.length;
  };

  test('every folder has its place in the order of rooms', () => {
    expect(lib.filter((path) => path.split('/').length > 2 && roomOf(path) < 0)).toEqual([]);
    expect(importsOf('lib/optimizer/engine.ts')).toContain('lib/checkpoint/load');
  });

  test('each folder imports only itself and what stands below it', () => {
    const wrong = lib.flatMap((path) =>
      importsOf(path)
        .filter((imported) => roomOf(imported) < roomOf(path))
        .map((imported) => `${path} imports ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  test('has no cycles among its files', () => {
    const files = new Set(lib);
    const next = (path: string): string[] =>
      importsOf(path)
        .map((one) => `${one}.ts`)
        .filter((one) => files.has(one));
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) cycles.push([...above.slice(above.indexOf(path)), path].join(' -> '));
      else if (!done.has(path)) for (const one of next(path)) walk(one, [...above, path]);
      done.add(path);
    };
    for (const path of lib) walk(path, []);
    expect(next('lib/optimizer/engine.ts').length).toBeGreaterThan(10);
    expect(cycles).toEqual([]);
  });

  test('loads the addon in one file alone', () => {
    expect(
      lib.filter((path) => /node-gyp-build['"]|\.node['"]|process\.dlopen|process\.binding/.test(read(path))),
    ).toEqual(['lib/addon/loader.ts']);
    const lazy = ['lib/addon/loader.ts', 'lib/builtins.ts', 'lib/tensorflow/peer.ts'];
    expect(lib.filter((path) => /\brequire\(|createRequire/.test(read(path))).sort()).toEqual(lazy);
  });

  test('imports itself and Node alone, and of packages that users may have the types', () => {
    const imported = lib
      .filter((path) => !path.startsWith('lib/tensorflow/'))
      .flatMap((path) => [...read(path).matchAll(/(?:from|import)\s+['"]([^'"]+)['"]/g)].map(([, name]) => name));
    expect(imported.length).toBeGreaterThan(20);
    expect(imported.filter((name) => !/^\.\.?\/|^node:/.test(name))).toEqual([]);
    const entries = lib.filter((path) => path.startsWith('lib/tensorflow/'));
    const values = entries.flatMap((path) => [
      ...read(path).matchAll(/^(?:import|export) (?!type )[^;]*?from '(?!\.)([^']+)'/gm),
    ]);
    expect(values).toEqual([]);
  });

  test('has no any in its public types', () => {
    const declarations = filesIn('dist', /\.d\.m?ts$/);
    expect(declarations).toContain('dist/index.d.ts');
    const code = (path: string): string => read(path).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(declarations.filter((path) => /\bany\b/.test(code(path)))).toEqual([]);
  });
});

describe('the built addon', () => {
  const addon = join(ROOT, 'build', 'Release', 'metal-sgd.node');

  /** Names of the dynamic symbols, those it needs and those it gives. */
  const symbols = (...flags: string[]): string =>
    process.platform === 'win32' ? '' : execFileSync('nm', [...flags, addon], { encoding: 'utf8' });

  test('needs no libuv, and nothing of Node but Node-API', () => {
    const needed = symbols(
      process.platform === 'darwin' ? '-u' : '-D',
      ...(process.platform === 'darwin' ? [] : ['--undefined-only']),
    );
    expect(needed).toMatch(/\b_?napi_create_threadsafe_function\b/);
    expect(needed).not.toMatch(/\b_?uv_/);
    expect(needed).not.toMatch(/\b_?_ZN?K?(2v8|4node)/);
  });

  test('shows no names but those that Node asks for', () => {
    const flags = process.platform === 'darwin' ? ['-g', '-U'] : ['-D', '--defined-only'];
    const given = symbols(...flags)
      .split('\n')
      .map((line) => line.split(' ').at(-1)?.replace(/^_/, '').replace(/@.*/, ''));
    expect(given.filter((name) => name?.startsWith('ZN9metal_sgd'))).toEqual([]);
    expect(given.some((name) => name?.startsWith('napi_register_module'))).toBe(true);
  });

  test('is never unloaded, on Linux', () => {
    expect(read('CMakeLists.txt')).toContain('-Wl,-z,nodelete');
    if (process.platform === 'linux') expect(hasNoDelete(readFileSync(addon))).toBe(true);
  });
});

/** Reads DT_FLAGS_1 of a 64-bit little-endian ELF file. */
function hasNoDelete(file: Buffer): boolean {
  expect(file.subarray(0, 6)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]));
  const [headers, size, count] = [Number(file.readBigUInt64LE(32)), file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let i = 0; i < count; i++) {
    const header = headers + i * size;
    if (file.readUInt32LE(header) !== 2) continue; // PT_DYNAMIC
    const [start, bytes] = [Number(file.readBigUInt64LE(header + 8)), Number(file.readBigUInt64LE(header + 32))];
    for (let at = start; at < start + bytes; at += 16) {
      const DT_FLAGS_1 = 0x6ffffffbn;
      if (file.readBigUInt64LE(at) === DT_FLAGS_1) return (file.readBigUInt64LE(at + 8) & 8n) !== 0n;
    }
  }
  return false;
}

describe('the package', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, unknown>>;

  test('runs nothing at installation', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'];
    expect(Object.keys(manifest['scripts']).filter((name) => hooks.includes(name))).toEqual([]);
    expect(existsSync(join(ROOT, 'binding.gyp'))).toBe(false);
    expect(manifest['gypfile']).not.toBe(true);
  });

  test('depends on the loader alone', () => {
    expect(Object.keys(manifest['dependencies'])).toEqual(['node-gyp-build']);
  });
});
