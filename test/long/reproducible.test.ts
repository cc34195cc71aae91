// Sources that lie elsewhere give the same bytes. Linux makes the binaries for Windows too.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../helpers/child';
import { makePrebuilds, prebuildOf } from '../helpers/prebuilds';

const NAMES = ['linux-x64-glibc', 'win32-x64'];

test(`binaries of sources in another folder: ${NAMES.join(', ')}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
  const sources = ['CMakeLists.txt', 'cmake', 'package.json', 'binding', 'native', 'scripts'];
  for (const source of sources) cpSync(join(ROOT, source), join(folder, source), { recursive: true });
  makePrebuilds(ROOT, NAMES); // which installs what builds them
  for (const tools of ['node_modules', 'build-tools']) symlinkSync(join(ROOT, tools), join(folder, tools));
  makePrebuilds(folder, NAMES);
  const bytesIn = (root: string, name: string): Buffer => readFileSync(prebuildOf(root, name));
  const differing = NAMES.filter((name) => !bytesIn(folder, name).equals(bytesIn(ROOT, name)));
  expect(differing).toEqual([]);
  rmSync(folder, { recursive: true });
}, 1_800_000);
