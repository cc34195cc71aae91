// The simulator's own cases: each rule broken on purpose, and what a correct program gets.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const program = join(root, 'build-sim', 'metal_sim_test');

interface Case {
  name: string;
  rule: string;
}

function listCases(): Case[] {
  const list = execFileSync(program, ['--list'], { encoding: 'utf8' });
  return list
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', rule = '-'] = line.split(' ');
      return { name, rule };
    });
}

/** Ids of RULES.md by what its second column says. */
function documentedRules(enforced: boolean): Set<string> {
  const rows = readFileSync(join(__dirname, 'RULES.md'), 'utf8').matchAll(/^\| (\w+) \| (fatal|not)\b/gm);
  return new Set([...rows].filter((row) => (row[2] === 'fatal') === enforced).map((row) => row[1]));
}

const cases = listCases();

/** Runs a case with the settings by default, or with these. */
const run = (name: string, METAL_SIM = '{}') =>
  spawnSync(program, ['--case', name], { encoding: 'utf8', env: { ...process.env, METAL_SIM } });

describe('rules', () => {
  const breaking = cases.filter(({ rule }) => rule !== '-');

  test.each(breaking)('$rule: $name', ({ name, rule }) => {
    const { signal, stderr } = run(name);
    expect(stderr).toContain(`metal-sim: rule ${rule} broken: `);
    expect(signal).toBe('SIGABRT');
  });

  test('every rule that RULES.md calls fatal has a case, and no other has', () => {
    expect(new Set(breaking.map(({ rule }) => rule))).toEqual(documentedRules(true));
  });

  test('a rule is either enforced or has a reason', () => {
    const enforced = documentedRules(true);
    expect([...documentedRules(false)].filter((rule) => enforced.has(rule))).toEqual([]);
  });
});

describe('correct programs', () => {
  const working = cases.filter(({ rule }) => rule === '-');

  test.each(working)('$name', ({ name }) => {
    const { status, stderr } = run(name);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('METAL_SIM', () => {
  const runWith = (settings: string) => run('scalar_kernel_on_wrapped_memory', settings);

  test('is read from the environment', () => {
    expect(runWith('{"maxTotalThreadsPerThreadgroup":128}').stderr).toContain('rule P3 broken');
    expect(runWith('{"devices":"m4"}').status).toBe(0);
    expect(runWith('{"metalsOwnLines":true}').stderr).toContain('Metal API Validation Enabled');
  });

  test('is refused whole where it is wrong', () => {
    expect(runWith('{"profile":"m4"}').stderr).toContain("METAL_SIM: unknown setting 'profile'");
    expect(runWith('fast').stderr).toContain('METAL_SIM: expected a JSON object');
  });
});

describe('kernel text', () => {
  const folder = mkdtempSync(join(tmpdir(), 'metal-sim-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const entry = 'kernel void k(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]])';
  const body = 'y[i] = 1.0f;';
  function read(text: string) {
    const path = join(folder, 'text.metal');
    writeFileSync(path, text);
    return spawnSync('node', [join(__dirname, 'kernel_table.mjs'), path, path, folder], { encoding: 'utf8' });
  }

  test('good text is read', () => {
    expect(read(`#include <metal_stdlib>\n${entry} { ${body} }`)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(folder, 'kernels.inc'), 'utf8')).toContain('{"y", "float", 0,');
  });

  test.each([
    ['double', `${entry} { double d = 1; }`, "'double'"],
    ['long long', `${entry} { long long d = 1; }`, "'long long'"],
    ['new', `${entry} { float* p = new float; }`, 'dynamic memory'],
    ['lambdas', `${entry} { auto f = [](float x) { return x; }; }`, 'lambdas'],
    ['goto', `${entry} { goto end; end: ${body} }`, 'goto'],
    ['virtual functions', `struct A { virtual float f(); }; ${entry} { ${body} }`, 'virtual'],
    ['exceptions', `${entry} { throw 1; }`, 'exceptions'],
    ['thread_local', `thread_local float f; ${entry} { ${body} }`, 'thread_local'],
    ['std', `${entry} { y[i] = std::abs(1.0f); }`, 'std'],
    ['recursion', `float f(float x) { return f(x); } ${entry} { ${body} }`, 'recursion'],
    ['main', `${entry} { ${body} } float main() { return 1; }`, 'main'],
    ['unqualified pointers', `float f(float* p) { return *p; } ${entry} { ${body} }`, 'address space'],
    ['overloaded kernels', `${entry} { ${body} } ${entry} { ${body} }`, 'overloaded'],
    ['other headers', `#include <cmath>\n${entry} { ${body} }`, '#include <cmath>'],
    ['text without kernels', 'float f() { return 1.0f; }', 'no kernels'],
  ])('%s: refused', (_, text, problem) => {
    const { status, stderr } = read(text);
    expect(stderr).toContain(problem);
    expect(status).toBe(1);
  });

  test.each([
    ['E11: a write through a const pointer', 'device const float* y [[buffer(0)]]', 'y[i] = 1.0f;'],
    ['E11: a write to constant memory', 'constant float* y [[buffer(0)]]', 'y[i] = 1.0f;'],
    ['a device pointer as a thread pointer', 'device float* y [[buffer(0)]]', 'thread float* p = y; *p = 1.0f;'],
    ['a bare vector conversion', 'device float4* y [[buffer(0)]]', 'half4 h = y[i];'],
  ])('%s does not compile', (_, argument, statement) => {
    const path = join(folder, 'check.metal');
    writeFileSync(
      path,
      `using namespace metal; kernel void k(${argument}, uint i [[thread_position_in_grid]]) { ${statement} }`,
    );
    const shim = join(__dirname, 'shim');
    const includes = ['-isystem', shim, '-include', 'metal_stdlib', '-include', 'metal_language.h'];
    const flags = ['-x', 'c++', '-std=c++17', '-fsyntax-only', '-DMETAL_SIM_CHECK_ADDRESS_SPACES', ...includes];
    const { status, stderr } = spawnSync('clang++-19', [...flags, path], { encoding: 'utf8' });
    expect(stderr).toContain('error:');
    expect(status).toBe(1);
  });
});
