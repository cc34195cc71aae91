// The binaries that the package carries, read as a loader reads them. Linux makes all seven, and METAL_SGD_BINARIES may
// name those to look at; elsewhere the machine makes its own.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ROOT } from '../helpers/child';
import { makePrebuilds, prebuildOf } from '../helpers/prebuilds';
import { EXPECTED, LINUX_C_LIBRARY, type Binary } from './binaries';

interface NodeApiHeaders {
  readonly symbols: { readonly v8: Readonly<Record<string, readonly string[]>> };
}

const { symbols } = createRequire(__filename)('node-api-headers') as NodeApiHeaders;
const NODE_API = new Set(Object.values(symbols.v8).flat());
const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const onLinux = process.platform === 'linux';
const asked = process.env['METAL_SGD_BINARIES'] ?? Object.keys(EXPECTED).join();
const names = onLinux ? asked.split(',') : [`${process.platform}-${process.arch}`];

beforeAll(() => {
  makePrebuilds(ROOT, names);
}, 3_600_000); // the first time of all, a compiler of 100 MB is fetched, and it compiles each platform's library

describe.each(names)('%s', (name) => {
  test('is there, and small', () => {
    const { length } = readFileSync(prebuildOf(ROOT, name));
    expect(length).toBeGreaterThan(50_000);
    // Three instruction sets on x86-64, of up to 60 KB more than plain steps alone need.
    expect(length).toBeLessThan(760_000);
  });
  if (!onLinux) return; // the compiler of the system made it, and what it needs is that system's affair

  let bytes: Buffer;
  let file: Binary;
  beforeAll(() => {
    bytes = readFileSync(prebuildOf(ROOT, name));
    const text = execFileSync(process.execPath, ['scripts/build/prebuild/describe.mjs', prebuildOf(ROOT, name)], {
      cwd: ROOT,
    });
    [file] = JSON.parse(text.toString()) as [Binary];
  }, 600_000);
  /** As C spells it: Mach-O puts a line before each name. */
  const plain = (symbol: string): string => (file.format === 'MACHO' ? symbol.replace(/^_/, '') : symbol);

  test('is for this architecture and system, and needs these libraries alone', () => {
    expect({ ...file, libraries: [...file.libraries].sort() }).toMatchObject(EXPECTED[name]);
  });

  test('exports what Node looks for, and nothing else', () => {
    expect(file.exports.map(plain).sort()).toEqual(ENTRY_POINTS);
  });

  test('takes from Node what Node-API 8 has, and from the system what is listed', () => {
    const taken = file.imports.map(plain);
    const [fromNode, others] = [/^(napi|node_api)_/, /^(?!napi_|node_api_)/].map((pattern) =>
      taken.filter((symbol) => pattern.test(symbol)),
    );
    expect(fromNode.length).toBeGreaterThan(40);
    expect(fromNode.filter((symbol) => !NODE_API.has(symbol))).toEqual([]);
    if (file.format === 'ELF') expect(others.filter((symbol) => !LINUX_C_LIBRARY.has(symbol))).toEqual([]);
    if (file.format === 'PE') expect(others).toEqual([]); // what Windows gives is in the list of its libraries
  });

  test('holds neither debug information nor names of its own functions', () => {
    expect(file).toMatchObject({ symbols: 0, debug: [] });
    expect(bytes.includes('ThreadPool')).toBe(false);
  });

  test('holds no path of the builder', () => {
    expect(bytes.includes(ROOT)).toBe(false);
    const paths = bytes.toString('latin1').match(/(?<![\w.+-])(\/[\w.+-]+){2,}/g) ?? [];
    expect(
      paths.filter((path) => !/^\/(System\/Library\/Frameworks|usr\/lib|sys\/devices|topology)\//.test(path)),
    ).toEqual([]);
  });

  test('has no executable stack and no writable code', () => {
    expect(file).toMatchObject({ executableStack: false, writableCode: false });
  });

  if (name.startsWith('linux-')) {
    test('is bound when it is loaded, is read-only from then on, and stays loaded', () => {
      expect(file).toMatchObject({ readOnlyRelocations: true, neverUnloaded: true, interpreter: null });
    });
  }
  if (name.endsWith('-glibc')) {
    test('runs on glibc 2.28', () => {
      const [major, minor] = file.newestGlibc ?? [];
      expect(major).toBe(2);
      expect(minor).toBeLessThanOrEqual(28);
    });
  }
  if (name.endsWith('-musl')) {
    test('knows nothing of glibc', () => {
      expect(file.newestGlibc).toBeNull();
      expect(bytes.includes('GLIBC_')).toBe(false);
    });
  }
  if (name.startsWith('win32-')) {
    test('may lie at any address, looks for Node-API in its host, and pins itself', () => {
      expect(file).toMatchObject({ delayedLibrary: 'node.exe' });
      expect(file.flags).toEqual(['DYNAMIC_BASE', 'HIGH_ENTROPY_VA', 'NX_COMPAT']);
      expect(file.systemImports).toContain('GetModuleHandleExW');
    });
  }
});
