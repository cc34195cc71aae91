// The examples of frameworks, installed from the packed package in an empty folder.
import { temporaryFolders } from '../helpers/folders';
import { installExample, packInto, run } from '../helpers/installedExample';

const newFolder = temporaryFolders();
let tarball: string;
beforeAll(() => {
  tarball = packInto(newFolder());
}, 600_000);

test('TensorFlow.js trains a CNN to 98 %', () => {
  const folder = installExample('tensorflow', newFolder(), tarball);
  const printed = run(folder, ['npm', 'start']);
  expect(printed).toContain('loss over 12 epochs');
  expect(Number(/^test accuracy: ([\d.]+) %$/m.exec(printed)?.[1])).toBeGreaterThanOrEqual(98);
}, 600_000);
