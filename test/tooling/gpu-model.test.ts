// The table of what to expect on Apple GPUs follows from the figures that its text names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelNamed } from '../../bench/models';
import { ROOT } from '../helpers/child';

/** Rows of tables by their first cell, which names a chip. */
function chips(file: string, columns: number): Map<string, string[]> {
  const rows = readFileSync(join(ROOT, 'docs', file), 'utf8').matchAll(/^\| (M\d(?: \w+)?) \| (.*) \|$/gm);
  return new Map(
    [...rows]
      .map(([, chip, cells]) => [chip, cells.split(' | ')] as const)
      .filter(([, cells]) => cells.length === columns),
  );
}

const model = chips('performance.md', 3);
const measured = chips('on-a-mac.md', 3);
const text = readFileSync(join(ROOT, 'docs', 'performance.md'), 'utf8');
const latency = Number(/L = (\d+) µs/.exec(text)?.[1]) * 1e-6;
const BYTES = 20;

test('it tells of chips whose speed is known', () => {
  expect(model.size).toBeGreaterThan(5);
  expect([...model.keys()].filter((chip) => !measured.has(chip))).toEqual([]);
});

test.each([...model.keys()])('%s', (chip) => {
  const [gpu, cpu] = (measured.get(chip) ?? []).slice(0, 2).map((cell) => Number(cell) * 1e9);
  const milliseconds = ['resnet50', 'gpt2'].map((name) => {
    const bytes = BYTES * (modelNamed(name)?.total ?? NaN);
    return (1000 * (latency + bytes / gpu)).toPrecision(3);
  });
  const elements = latency / (1 / cpu - 1 / gpu) / BYTES / 1e6;
  const from = Number.isNaN(cpu) ? 'not known' : elements < 0 ? 'never' : elements.toFixed(1);
  expect(model.get(chip)).toEqual([...milliseconds, from]);
});
