// Large arenas ask Linux for huge pages: fewer faults at the first touch, and shorter ways to each page afterwards.
import { existsSync, readFileSync } from 'node:fs';
import { type Tensor, zeros } from '../../lib/index';
import { native } from '../../lib/addon/native';

const hasHugePages = existsSync('/sys/kernel/mm/transparent_hugepage/enabled');
const MIB = 2 ** 20;

/** What the system notes of the mapping around the address: `hg` where huge pages were asked for. None but on Linux. */
function flagsAt(address: number): string[] {
  if (process.platform !== 'linux') return [];
  let isInside = false;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) isInside = parseInt(range[1], 16) <= address && address < parseInt(range[2], 16);
    else if (isInside && line.startsWith('VmFlags:')) return line.split(/\s+/).slice(1);
  }
  return [];
}

const addressOf = ({ data }: Tensor): number => native().addresses([data])[0];

test('the middle of a large arena is asked for', () => {
  const large = zeros((8 * MIB) / 4);
  expect(flagsAt(addressOf(large) + 4 * MIB).includes('hg')).toBe(hasHugePages);
  expect(large.data.every((value) => value === 0)).toBe(true);
});

test('an arena that holds no whole huge page is not', () => {
  expect(flagsAt(addressOf(zeros(1000)))).not.toContain('hg');
});
