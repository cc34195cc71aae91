// What an import costs beside Node's own start in the same process, whose files are in the system's cache: a busy or slow
// machine stretches both. The addon is not part of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newProject, output } from './project';

const LIMIT = 0.3;
const RUNS = 21;

const PROGRAMS = {
  require: `const start = performance.now();
    require('metal-sgd');
    const end = performance.now();`,
  import: `const start = performance.now();
    await import('metal-sgd');
    const end = performance.now();`,
};

const LOADED = `const { sharedObjects } = process.report.getReport();
  console.log(JSON.stringify({ start, took: end - start, loaded: sharedObjects.filter((name) => /metal/i.test(name)) }));`;

const project = newProject();

describe.each(['require', 'import'] as const)('%s', (way) => {
  const file = join(project, `startup.${way === 'require' ? 'cjs' : 'mjs'}`);
  writeFileSync(file, `${PROGRAMS[way]}\n${LOADED}`);

  interface Start {
    start: number;
    took: number;
    loaded: string[];
  }
  const run = (): Start => JSON.parse(output(project, [process.execPath, file])) as Start;

  test('loads neither the addon nor Metal', () => {
    expect(run().loaded).toEqual([]);
  });

  test(`takes less than three tenths of Node's own start`, () => {
    const runs = Array.from({ length: RUNS }, run);
    // The least of each is what other work on the machine has disturbed least.
    const least = (name: 'took' | 'start'): number => Math.min(...runs.map((one) => one[name]));
    const part = least('took') / least('start');
    process.stdout.write(
      `   ${way} of metal-sgd: ${least('took').toFixed(1)} ms, ${part.toFixed(2)} of Node's own start, least of ${String(RUNS)}\n`,
    );
    expect(part).toBeLessThan(LIMIT);
  });
});
