// Files as the system has them: full disks, folders that can't be written, files that change, and what a kill leaves.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadTensors, saveTensors, zeros } from '../../lib';
import { ROOT, runChild, type Lab } from '../helpers/child';
import { type Failure, rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const small = (value: number): Record<string, Float32Array> => ({ a: new Float32Array(1000).fill(value) });

/** In a process of its own: saves a small file, then one that is too large, and says how that failed. */
const TOO_LARGE = `
  const { saveTensors } = require(${JSON.stringify(ROOT)} + '/dist');
  const { readdirSync, readFileSync } = require('node:fs');
  const folder = process.argv[1];
  const path = folder + '/x.safetensors';
  const before = () => saveTensors(path, { a: new Float32Array(1000).fill(7) });
  before().then(async () => {
    const old = readFileSync(path);
    const error = await saveTensors(path, { a: new Float32Array(4 * 2 ** 20) }).catch((reason) => reason);
    const same = Buffer.compare(old, readFileSync(path)) === 0;
    console.log(JSON.stringify({ code: error.code, named: error.message.startsWith(path), same, left: readdirSync(folder) }));
  });`;

/** A disk of 2 MiB where the machine lets us have one; else a limit of that size for files. */
function inSmallSpace(folder: string): { full: string; output: string } {
  const node = [process.execPath, '-e', TOO_LARGE, folder];
  const mounted = ['-c', 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', folder, ...node];
  const namespace = process.getuid?.() === 0 ? ['-m'] : ['-rm'];
  const disk = spawnSync('unshare', [...namespace, 'sh', ...mounted], { encoding: 'utf8' });
  if (disk.status === 0) return { full: 'ENOSPC', output: disk.stdout };
  return {
    full: 'EFBIG',
    output: execFileSync('sh', ['-c', 'ulimit -f 4096; exec "$@"', 'sh', ...node], { encoding: 'utf8' }),
  };
}

test('a save to a full disk leaves the old file and nothing else', () => {
  const { full, output } = inSmallSpace(newFolder());
  expect(JSON.parse(output)).toEqual({ code: full, named: true, same: true, left: ['x.safetensors'] });
});

test('a save to a read-only folder leaves the old file', async () => {
  const folder = newFolder();
  const path = join(folder, 'x.safetensors');
  await saveTensors(path, small(1));
  chmodSync(folder, 0o555);
  chmodSync(path, 0o444);
  // Root may write anywhere: the child becomes nobody.
  const body = async ({ sgd }: Lab, at: string): Promise<unknown> => {
    sgd.zeros(1); // loads the addon, which nobody may not be able to read
    if (process.getuid?.() === 0) process.setuid?.(65534);
    const error: unknown = await sgd.saveTensors(at, { a: new Float32Array(1) }).catch((reason: unknown) => reason);
    const { code, message } = error as Failure;
    return { code, named: message.startsWith(at) };
  };
  chmodSync(join(folder, '..'), 0o1777);
  expect(runChild(body, path)).toMatchObject({ status: 0, result: { code: 'EACCES', named: true } });
  chmodSync(folder, 0o755);
  expect(readdirSync(folder)).toEqual(['x.safetensors']);
  expect((await loadTensors<Record<string, Float32Array>>(path)).tree['a'][0]).toBe(1);
});

test('a load reads the old file to its end if a new one replaces it', async () => {
  const folder = newFolder();
  const path = join(folder, 'x.safetensors');
  const large = zeros({ a: [4 << 20] });
  large.a.data.fill(1);
  await saveTensors(path, large);
  large.a.data.fill(2);
  await saveTensors(join(folder, 'y'), large);
  const loaded = loadTensors<typeof large>(path);
  renameSync(join(folder, 'y'), path);
  const { tree } = await loaded;
  const [value] = tree.a.data;
  expect(tree.a.data.every((one) => one === value)).toBe(true);
});

test('a load fails if the file is truncated meanwhile', async () => {
  const path = join(newFolder(), 'x.safetensors');
  const large = zeros({ a: [8 << 20] });
  await saveTensors(path, large);
  const loaded = loadTensors(path, { into: large });
  const cut = rejectionOf(loaded);
  // After the header has been read, or before: either way it is noticed.
  await new Promise((resolve) => setTimeout(resolve, 1));
  truncateSync(path, 1 << 20);
  expect((await cut).code).toBe('invalid-file');
});

test('a load fails if the file is written meanwhile', async () => {
  const path = join(newFolder(), 'x.safetensors');
  const large = zeros({ a: [32 << 20] });
  await saveTensors(path, large);
  let seconds = 1;
  const writer = setInterval(() => {
    utimesSync(path, seconds, seconds++); // as a write would change it, but sure to differ
  });
  const loaded = rejectionOf(loadTensors(path, { into: large })).finally(() => {
    clearInterval(writer);
  });
  expect(await loaded).toMatchObject({
    code: 'invalid-file',
    message: `${path}: byte 0: expected a file that nobody writes while it is read, received one that has changed`,
  });
});

test.each<[string, (folder: string) => string, unknown, string]>([
  ['a missing file', (folder) => join(folder, 'none'), 'ENOENT', 'ENOENT: no such file or directory, open'],
  ['a folder', (folder) => folder, 'invalid-file', 'byte 0: expected a file, received a folder'],
  [
    'an empty file',
    (folder) => {
      writeFileSync(join(folder, 'empty'), '');
      return join(folder, 'empty');
    },
    'invalid-file',
    'byte 0: expected the 8 bytes of the header length, received a file of 0 bytes',
  ],
  [
    'a pipe without a writer',
    (folder) => {
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      return join(folder, 'pipe');
    },
    'invalid-file',
    'byte 0: expected a file, received a device',
  ],
])('load refuses %s', async (_, make, code, message) => {
  const path = make(newFolder());
  const failed = await rejectionOf(loadTensors(path));
  expect(failed.code).toBe(code);
  expect(failed.message).toContain(path);
  expect(failed.message).toContain(message);
});

test('a path may be a file URL, and a name as long as the system allows', async () => {
  const folder = newFolder();
  const path = join(folder, `${'n'.repeat(243)}.safetensors`);
  await saveTensors(pathToFileURL(path), small(4));
  expect(readdirSync(folder)).toHaveLength(1);
  expect((await loadTensors<Record<string, Float32Array>>(pathToFileURL(path))).tree['a'][0]).toBe(4);
});

test('the old file stays readable during a large save', async () => {
  const folder = newFolder();
  const path = join(folder, 'x.safetensors');
  await saveTensors(path, small(1));
  const [large, seen] = [zeros({ a: [4 << 20] }), new Set<number>()];
  for (let i = 0; i < 3; i++) {
    const saving = saveTensors(path, i === 1 ? small(1) : large);
    let reading = true;
    const readers = [1, 2].map(async () => {
      while (reading) {
        const { tree } = await loadTensors<Record<string, { length?: number }>>(path);
        seen.add(tree['a'].length ?? -1);
      }
    });
    await saving;
    reading = false;
    await Promise.all(readers);
  }
  expect([...seen].every((length) => [1000, -1].includes(length))).toBe(true);
  expect(readdirSync(folder)).toEqual(['x.safetensors']);
});

describe('the temporary file of a killed process', () => {
  const nameOf = (host: string, pid: number): string =>
    `.x.safetensors.metal-sgd-${host}-${String(pid)}-0123456789ab.tmp`;
  const gone = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));

  /** The tag of this machine, from the name that a save takes while it runs. */
  async function hostTag(): Promise<string> {
    const folder = newFolder();
    const watched: (string | undefined)[] = [];
    const watcher = setInterval(() => {
      watched.push(...readdirSync(folder).map((name) => /metal-sgd-([0-9a-f]{8})-/.exec(name)?.[1]));
    });
    await saveTensors(join(folder, 'x.safetensors'), zeros({ a: [8 << 20] }));
    clearInterval(watcher);
    const tag = watched.find(Boolean);
    if (tag === undefined) throw new Error('no temporary file was seen');
    return tag;
  }

  test('is removed by the next save, which spares files of running processes', async () => {
    const host = await hostTag();
    const folder = newFolder();
    const old = [nameOf(host, gone), nameOf('00000000', 1)];
    const kept = [nameOf(host, process.ppid), nameOf('00000000', gone), '.x.tmp', 'x.tmp'];
    for (const name of [...old, ...kept]) writeFileSync(join(folder, name), 'half');
    utimesSync(join(folder, old[1]), 1, 1);
    await saveTensors(join(folder, 'x.safetensors'), small(1));
    expect(readdirSync(folder).sort()).toEqual([...kept, 'x.safetensors'].sort());
  });

  test('is recognized by its time if its process id is ours', async () => {
    const host = await hostTag();
    const folder = newFolder();
    const [earlier, own] = [nameOf(host, process.pid), nameOf(host, process.pid).replace('0123', 'ffff')];
    for (const name of [earlier, own]) writeFileSync(join(folder, name), 'half');
    const start = Date.now() / 1000 - process.uptime() - 60;
    utimesSync(join(folder, earlier), start, start);
    await saveTensors(join(folder, 'x.safetensors'), small(1));
    expect(readdirSync(folder).sort()).toEqual([own, 'x.safetensors'].sort());
  });
});
