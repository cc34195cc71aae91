// npm run test:platforms: makes every binary of the package, reads it, and runs it as far as this machine can, Linux on
// x86-64. Installs what that takes, from npm, PyPI and Debian. What is not run is said, with the reason.
//   npm run test:platforms [-- --only NAME[,NAME] --made]     --made: takes the binaries as they are in prebuilds/
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { fail, runQuietly } from '../lib/run.mjs';
import { TARGETS } from '../lib/targets.mjs';

if (process.platform !== 'linux' || process.arch !== 'x64') fail('npm run test:platforms works on Linux on x86-64');
const { PLATFORMS } = await import('./platforms/platforms.mjs'); // it asks this machine for its processor

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, made: { type: 'boolean', default: false } },
});
const wanted = options.only?.split(',') ?? TARGETS.map(({ name }) => name);
const unknown = wanted.filter((name) => !(name in PLATFORMS));
if (unknown.length > 0) fail(`--only: expected names of ${Object.keys(PLATFORMS).join(', ')}; received ${unknown}`);
if (TARGETS.some(({ name }) => !(name in PLATFORMS))) fail('a binary has no tests here');

const say = (text) => console.log(`test:platforms: ${text}`);
const present = [...new Set(wanted.flatMap((name) => [name, PLATFORMS[name].beside ?? name]))].join(',');
if (!options.made) {
  say(`making ${present}`);
  runQuietly(process.execPath, ['scripts/build/prebuildify.mjs', '--only', present]);
}
say(`reading ${present}`);
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const tests = options.only ? 'binaries' : '(binaries|compare)';
runQuietly(process.execPath, [jest, '--testPathPatterns', `/test/package/${tests}`], {
  environment: { METAL_SGD_BINARIES: present },
});
const rows = [];
let failed = 0;
for (const target of TARGETS.filter(({ name }) => wanted.includes(name))) {
  const { runs, beside } = PLATFORMS[target.name];
  target.beside = TARGETS.find(({ name }) => name === beside)?.file;
  for (const run of runs) {
    say(`running ${target.name}`);
    const { ran, tests, failed: bad, seconds, passed } = run(target);
    failed += passed ? 0 : 1;
    const result = passed ? 'passed' : `FAILED (${bad})`;
    rows.push([target.name, ran, String(tests), `${seconds.toFixed(0)} s`, result]);
  }
}
const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((row) => row[i].length)));
for (const row of rows) {
  const cells = row.map((cell, i) => cell.padEnd(widths[i]));
  console.log(cells.join('  ').trimEnd());
}
for (const name of wanted) {
  for (const reason of PLATFORMS[name].leftOut) console.log(`not run of ${name}: ${reason}`);
}
say(`${rows.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
