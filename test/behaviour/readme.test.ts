// What the README shows runs as it is written, and what it names exists.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runNode } from '../helpers/child';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The code blocks of the README that are marked as runnable. */
const examples = [...readme.matchAll(/^```(?:js|mjs) runnable\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

test('there is an example, and it is short', () => {
  expect(examples.length).toBeGreaterThanOrEqual(1);
  expect(examples[0].trimEnd().split('\n').length).toBeLessThanOrEqual(15);
});

test.each(examples.map((code, i) => [i + 1, code] as const))('example %i runs', (_, code) => {
  const { status, stdout, stderr } = runNode(['--input-type=module', '-e', code]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).not.toBe('');
});

test('the first example trains its bias towards 0, 1 and 2', () => {
  const { stdout } = runNode(['--input-type=module', '-e', examples[0]]);
  const [, bias, step, device] = /\[([^\]]*)\] (\d+) (cpu|gpu)/.exec(stdout) ?? [];
  expect({ step, device }).toEqual({ step: '100', device: expect.stringMatching(/^[cg]pu$/) as string });
  bias.split(',').forEach((value, i) => {
    expect(Number(value)).toBeCloseTo(i, 1);
  });
});

test('every script that it names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)].map(
    (found) => found.slice(1).find(Boolean) ?? '',
  );
  expect(named).toContain('test');
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('every file that it links to exists', () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link).filter((link) => !link.includes('://'));
  expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
});
