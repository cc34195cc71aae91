// The addons for Macs, read back: on Linux those that `npm run build:darwin` makes, on a Mac the one it built itself.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { type MachO, readMachO } from '../helpers/macho';

interface NodeApiHeaders {
  readonly symbols: { readonly v8: Readonly<Record<string, readonly string[]>> };
}

interface ApiExcerpt {
  readonly interfaces: Readonly<Record<string, { readonly methods: readonly { readonly selector: string }[] }>>;
}

const onMac = process.platform === 'darwin';
const architectures = onMac ? [process.arch] : ['arm64', 'x64'];

const METAL = '/System/Library/Frameworks/Metal.framework/Versions/A/Metal';
const FOUNDATION = '/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation';
const CORE_GRAPHICS = '/System/Library/Frameworks/CoreGraphics.framework/Versions/A/CoreGraphics';
const CORE_FOUNDATION = '/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation';

/** What may be imported, by the install name of the library that has it on every macOS from 13 on. */
const IMPORTS: Readonly<Partial<Record<string, RegExp>>> = {
  [METAL]: /^_(MTLCreateSystemDefaultDevice|MTLCopyAllDevices|OBJC_CLASS_\$_MTLCompileOptions)$/,
  [FOUNDATION]: /^_OBJC_CLASS_\$_(NSString|NSAutoreleasePool)$/,
  // Linked for its presence alone: without it Metal has no default device.
  [CORE_GRAPHICS]: /^$/,
  [CORE_FOUNDATION]: /^___CFConstantStringClassReference$/,
  '/usr/lib/libobjc.A.dylib': /^_objc_|^__objc_empty_cache$/,
  '/usr/lib/libc++.1.dylib': /^(__Z\w+|___cxa_\w+|___gxx_personality_v0)$/,
  '/usr/lib/libSystem.B.dylib':
    /^(__Unwind_Resume|_{1,3}[a-z]\w*|__Block_(copy|release)|__NSConcrete(Stack|Global)Block|dyld_stub_binder)$/,
};

/** Selectors of Foundation and of every object, which Metal's own interface does not list. */
const PLAIN_SELECTORS = [
  ...['alloc', 'init', 'retain', 'release', 'autorelease'],
  ...['stringWithCString:encoding:', 'UTF8String', 'count', 'objectAtIndex:', 'code', 'localizedDescription'],
];

function fileOf(architecture: string, folder = join(ROOT, 'build-darwin')): Buffer {
  const file = onMac ? join(ROOT, 'build', 'Release') : join(folder, `darwin-${architecture}`);
  return readFileSync(join(file, 'metal-sgd.node'));
}

function build(...options: string[]): void {
  execFileSync(process.execPath, ['scripts/build/darwin.mjs', ...options], { cwd: ROOT, stdio: 'pipe' });
}

if (!onMac) {
  beforeAll(() => {
    build();
  }, 900_000); // the first time of all, a compiler of 100 MB is fetched
}

describe.each(architectures)('darwin-%s', (architecture) => {
  let bytes: Buffer;
  let file: MachO;
  beforeAll(() => {
    bytes = fileOf(architecture);
    file = readMachO(bytes);
  });

  test('is a bundle for this architecture and for macOS 13', () => {
    expect(file).toMatchObject({
      architecture: architecture === 'x64' ? 'x86_64' : architecture,
      fileType: 8,
      platform: 1,
      minimumSystem: '13.0',
    });
  });

  test('links the system libraries by their real install names, and no others', () => {
    expect(file.libraries).toEqual(
      expect.arrayContaining([METAL, FOUNDATION, CORE_GRAPHICS, '/usr/lib/libc++.1.dylib']),
    );
    expect(file.libraries.filter((name) => !(name in IMPORTS))).toEqual([]);
  });

  test('takes Node-API from the program that loads it, and all else from the library that has it', () => {
    const { symbols } = createRequire(__filename)('node-api-headers') as NodeApiHeaders;
    const nodeApi = new Set(Object.values(symbols.v8).flatMap((names) => names.map((name) => `_${name}`)));
    const wrong = file.imports.filter(({ name, library }) =>
      library === 'any' ? !nodeApi.has(name) : !IMPORTS[library]?.test(name),
    );
    expect(wrong).toEqual([]);
    expect(file.imports).toContainEqual({ name: '_napi_typeof', library: 'any' });
    expect(file.imports).toContainEqual({ name: '_MTLCreateSystemDefaultDevice', library: METAL });
    // The addon keeps itself loaded.
    const system = '/usr/lib/libSystem.B.dylib';
    expect(file.imports).toEqual(
      expect.arrayContaining(['_dladdr', '_dlopen'].map((name) => ({ name, library: system }))),
    );
  });

  test('exports what Node looks for', () => {
    expect(file.exports).toContain('_napi_register_module_v1');
  });

  test('sends selectors that Metal and Foundation have', () => {
    const api = JSON.parse(
      readFileSync(join(ROOT, 'tools', 'metal-sim', 'metal-api.excerpt.json'), 'utf8'),
    ) as ApiExcerpt;
    const known = new Set([
      ...Object.values(api.interfaces).flatMap(({ methods }) => methods.map(({ selector }) => selector)),
      ...PLAIN_SELECTORS,
    ]);
    expect(file.selectors).toContain('dispatchThreads:threadsPerThreadgroup:');
    expect(file.selectors.filter((selector) => !known.has(selector))).toEqual([]);
  });

  // Apple's linker signs for arm64 alone, where nothing runs without.
  if (!onMac || architecture === 'arm64') {
    test('has an ad-hoc signature that fits its bytes', () => {
      expect(file.signature).toMatchObject({ adHoc: true, codeLimit: file.signatureOffset });
      expect(file.signature?.pages.length).toBeGreaterThan(10);
      expect(file.signature?.pages).not.toContain(false);
    });

    test('a changed byte does not fit the signature', () => {
      const changed = Buffer.from(bytes);
      changed[5000] ^= 1;
      expect(readMachO(changed).signature?.pages.indexOf(false)).toBe(1);
    });
  }

  test.each(['sgd', 'general', 'norm'])('carries the kernels of native/kernels/%s.metal', (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
    const flat = join(folder, 'flat.metal');
    const flatten = ['cmake/flatten.mjs', `native/kernels/${name}.metal`, flat, join(folder, 'source.cpp')];
    execFileSync(process.execPath, flatten, { cwd: ROOT });
    expect(bytes.includes(readFileSync(flat))).toBe(true);
    rmSync(folder, { recursive: true });
  });
});

if (!onMac) {
  test('a build elsewhere gives the same bytes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
    build('--output', folder, '--only', 'arm64'); // both architectures differ in one flag
    expect(fileOf('arm64', folder).equals(fileOf('arm64'))).toBe(true);
    rmSync(folder, { recursive: true });
  }, 300_000);

  test.each(architectures)('darwin-%s holds no path of the builder', (architecture) => {
    const bytes = fileOf(architecture);
    const paths = bytes.toString('latin1').match(/(?<![\w.+-])(\/[\w.+-]+){2,}/g) ?? [];
    expect(paths.filter((path) => !/^\/(System\/Library\/Frameworks|usr\/lib)\//.test(path))).toEqual([]);
    expect(bytes.includes(ROOT)).toBe(false);
  });

  test("the benchmarks' streaming kernel compiles for a Mac, without a warning", () => {
    const script = "import('./scripts/lib/zig.mjs').then((zig) => console.log(zig.installZig()))";
    const zig = execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' }).trim();
    const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
    const cache = join(ROOT, 'build-tools', 'zig-cache');
    const flags = ['-std=c++17', '-fno-objc-arc', '-fblocks', '-Wall', '-Wextra', '-Werror'];
    const includes = ['-I', 'tools/metal-sim/include', '-I', 'native/metal'];
    const object = join(folder, 'stream.o');
    execFileSync(
      zig,
      ['c++', '-target', 'aarch64-macos.13.0', ...flags, ...includes, '-c', 'bench/baseline/stream.mm', '-o', object],
      { cwd: ROOT, stdio: 'pipe', env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache } },
    );
    expect(readFileSync(object).includes('dispatchThreads:threadsPerThreadgroup:')).toBe(true);
    rmSync(folder, { recursive: true });
  });
}
