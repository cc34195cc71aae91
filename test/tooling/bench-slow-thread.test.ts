// A thread that gets a quarter of its core, as on a slow one, must not hold a step: others do its share. Linux only, where a
// library can slow a thread down. The benchmark measures the same.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildBench, slowWorker } from '../helpers/bench';
import { ROOT } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

beforeAll(buildBench);

const medianOf = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

// Half of the work at a quarter of the speed takes twice as long as one thread does.
// Of smaller steps others' processes on both cores would be half of what is measured; the benchmark has them.
test.each([1e6, 1e7])('a step of %d elements', (elements) => {
  const library = join(newFolder(), 'slow.so');
  const source = join(ROOT, 'bench', 'baseline', 'slow_thread.c');
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', source, '-o', library, '-ldl']);
  const ratios = slowWorker({ elements, rounds: 45 }, library);
  // The least of three medians, since noise only adds to them.
  const medians = [0, 15, 30].map((first) => medianOf(ratios.slice(first, first + 15)));
  expect(Math.min(...medians)).toBeLessThan(1.5);
});
