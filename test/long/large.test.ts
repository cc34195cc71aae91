// A leaf of more than 4 GiB, of which Node 20 has no byte array. Takes 13 GiB of memory and 5 GiB of disk.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { clone, loadTensors, saveTensors, SGD, zeros } from '../../lib';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const ELEMENTS = 2 ** 30 + 5;
/** Elements beside each boundary between parts, and the ends. */
const PLACES = [0, ...[1, 2, 3, 4].flatMap((part) => [part * 2 ** 28 - 1, part * 2 ** 28]), ELEMENTS - 1];

function marked(): { a: Float32Array } {
  const { data } = zeros([ELEMENTS]);
  PLACES.forEach((place, i) => (data[place] = i + 1));
  return { a: data };
}

const marks = ({ a }: { a: Float32Array }): number[] => PLACES.map((place) => a[place]);
const MARKS = PLACES.map((_, i) => i + 1);

test('clone copies every part', () => {
  const copy = clone(marked());
  expect(copy.a).toHaveLength(ELEMENTS);
  expect(marks(copy)).toEqual(MARKS);
}, 600_000);

test('applyGradients steps every part', () => {
  const parameters = marked();
  const next = new SGD(0.5).applyGradients(clone(parameters), parameters);
  expect(marks(next)).toEqual(MARKS.map((mark) => mark / 2));
}, 600_000);

test('a file takes every part there and back', async () => {
  const path = join(newFolder(), 'large.safetensors');
  const source = marked();
  await saveTensors(path, source);
  source.a.fill(0);
  await loadTensors(path, { into: source });
  expect(marks(source)).toEqual(MARKS);
  rmSync(path);
}, 1_200_000);
