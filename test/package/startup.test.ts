// What an import costs beyond Node's own start, in fresh processes whose files are in the system's cache; the addon is not
// part of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newProject, output } from './project';

const LIMIT_MS = 15;
const RUNS = 21;
/** A busy machine may spoil one. */
const TRIES = 3;

const PROGRAMS = {
  require: `const start = performance.now();
    require('metal-sgd');
    const took = performance.now() - start;`,
  import: `const start = performance.now();
    await import('metal-sgd');
    const took = performance.now() - start;`,
};

const LOADED = `const { sharedObjects } = process.report.getReport();
  console.log(JSON.stringify({ took, loaded: sharedObjects.filter((name) => /metal/i.test(name)) }));`;

const project = newProject();

describe.each(['require', 'import'] as const)('%s', (way) => {
  const file = join(project, `startup.${way === 'require' ? 'cjs' : 'mjs'}`);
  writeFileSync(file, `${PROGRAMS[way]}\n${LOADED}`);

  const start = (): { took: number; loaded: string[] } =>
    JSON.parse(output(project, [process.execPath, file])) as { took: number; loaded: string[] };

  test('loads neither the addon nor Metal', () => {
    expect(start().loaded).toEqual([]);
  });

  test(`takes less than ${String(LIMIT_MS)} ms`, () => {
    const medians: number[] = [];
    while (medians.length < TRIES && !(Math.min(...medians) < LIMIT_MS)) {
      const times = Array.from({ length: RUNS }, () => start().took).sort((a, b) => a - b);
      medians.push(times[(RUNS - 1) / 2]);
    }
    const shown = medians.map((median) => median.toFixed(1)).join(', ');
    process.stdout.write(`   ${way} of metal-sgd: ${shown} ms, median of ${String(RUNS)} processes\n`);
    expect(Math.min(...medians)).toBeLessThan(LIMIT_MS);
  });
});
