// Saving where real disks and other programs have their say: links, permissions, devices, folders that refuse a sync,
// half-written files of others, and clocks.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CheckpointDirectory, loadTensors, saveTensors, SGD, zeros } from '../../lib';
import { rejectionOf } from '../helpers/failures';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();
const tree = (value: number): { a: Float32Array } => ({ a: Float32Array.of(value) });
const valueIn = async (path: string): Promise<number> => (await loadTensors<{ a: Float32Array }>(path)).tree.a[0];
const systemError = (code: string, syscall: string): Error => Object.assign(new Error(code), { code, syscall });

afterEach(() => {
  jest.restoreAllMocks();
});

describe('what is no regular file is refused and stays', () => {
  const made: Record<string, (path: string) => unknown> = {
    'a FIFO': (path) => execFileSync('mkfifo', [path]),
    'a folder': (path) => {
      mkdirSync(path);
    },
    // Root could replace the machine's own, if the code under test were wrong; others can make none.
    'a device': (path) => {
      if (process.getuid?.() === 0) execFileSync('mknod', [path, 'c', '1', '3']);
      else symlinkSync('/dev/null', path);
    },
  };
  test.each(Object.entries(made))('%s', async (kind, make) => {
    const folder = newFolder();
    const path = join(folder, 'x');
    make(path);
    const before = statSync(path);
    for (const save of [() => saveTensors(path, tree(1)), () => new SGD(1).save(path)]) {
      const { code, message } = await rejectionOf(save());
      expect(code).toBe(kind === 'a folder' ? 'EISDIR' : 'EINVAL');
      expect(message).toContain(`${path}: expected a file, received ${kind}`);
    }
    expect(statSync(path)).toMatchObject({ ino: before.ino, mode: before.mode });
    expect(readdirSync(folder)).toEqual(['x']);
  });

  test('a socket', async () => {
    const path = join(newFolder(), 's');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect((await rejectionOf(saveTensors(path, tree(1)))).code).toBe('EINVAL');
    expect(lstatSync(path).isSocket()).toBe(true);
    await new Promise((resolve) => server.close(resolve));
  });

  test('a link that leads to itself', async () => {
    const path = join(newFolder(), 'x');
    symlinkSync('x', path);
    expect((await rejectionOf(saveTensors(path, tree(1)))).code).toBe('ELOOP');
  });
});

describe('a link stays, and what it points to is replaced', () => {
  test.each([
    ['in another folder', join('disk', 'run')],
    ['through a link', 'second'],
    ['that is not there yet', join('disk', 'new')],
    ['past a folder that is a link itself', join('alias', '..', 'disk', 'run')],
  ])('a file %s', async (_, to) => {
    const folder = newFolder();
    const disk = join(folder, 'disk');
    mkdirSync(join(disk, 'deep'), { recursive: true });
    await saveTensors(join(disk, 'run'), tree(1));
    symlinkSync(join('disk', 'run'), join(folder, 'second'));
    symlinkSync(folder, join(folder, 'alias')); // its '..' is the parent of the folder
    const link = join(folder, 'link');
    symlinkSync(to.startsWith('alias') ? join('alias', 'disk', 'deep', '..', 'run') : to, link);
    const target = readlinkSync(link);
    await saveTensors(link, tree(2));
    expect(readlinkSync(link)).toBe(target);
    expect(await valueIn(link)).toBe(2);
    expect(readdirSync(disk).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test("'..' in a link counts from the link's real folder", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'one', 'two'), { recursive: true });
    symlinkSync(join('one', 'two'), join(folder, 'short'));
    symlinkSync(join('..', 'file'), join(folder, 'one', 'two', 'link'));
    await saveTensors(join(folder, 'short', 'link'), tree(3));
    expect(await valueIn(join(folder, 'one', 'file'))).toBe(3);
  });
});

describe('errors that Node has no name for have the system’s, and the file’s name', () => {
  // What libuv makes of a number that it does not know.
  const nameless = (errno: number, syscall: string): Error => {
    const code = `Unknown system error ${String(errno)}`;
    return Object.assign(new Error(`${code}: ${code}, ${syscall}`), { code, errno, syscall });
  };
  const cases: [string, number, string][] = [
    ['EDQUOT', -constants.errno.EDQUOT, 'a full quota'],
    ['ESTALE', -constants.errno.ESTALE, 'a share that has gone'],
    ['UNKNOWN', -9999, 'a number without a name'],
  ];
  test.each(cases)('%s for a write that ends with %i, %s', async (code, errno) => {
    const folder = newFolder();
    const path = join(folder, 'x');
    const { open } = fs;
    jest.spyOn(fs, 'open').mockImplementation(async (file, ...others) => {
      const handle = await open(file, ...others);
      jest.spyOn(handle, 'writev').mockRejectedValue(nameless(errno, 'write'));
      return handle;
    });
    const failed = (await rejectionOf(saveTensors(path, tree(1)))) as NodeJS.ErrnoException;
    expect([failed.code, failed.message.slice(0, path.length + 2 + code.length)]).toEqual([code, `${path}: ${code}`]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(cases)('%s for a read that ends with %i, %s', async (code, errno) => {
    const path = join(newFolder(), 'x');
    await saveTensors(path, tree(1));
    jest.spyOn(fs, 'open').mockRejectedValue(nameless(errno, 'open'));
    const failed = await rejectionOf(loadTensors(path));
    expect([failed.code, failed.message.slice(0, path.length + 2 + code.length)]).toEqual([code, `${path}: ${code}`]);
  });
});

test.each([0o600, 0o640, 0o666])('a file of mode %o keeps its mode', async (mode) => {
  const path = join(newFolder(), 'x');
  await saveTensors(path, tree(1));
  chmodSync(path, mode);
  await saveTensors(path, tree(2));
  expect(statSync(path).mode & 0o777).toBe(mode);
  expect(await valueIn(path)).toBe(2);
});

describe('once a file is in its place, the save has succeeded', () => {
  test.each(['EACCES', 'EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EIO', 'EBADF'])('%s for the folder', async (code) => {
    const path = join(newFolder(), 'x');
    const { open } = fs;
    jest
      .spyOn(fs, 'open')
      .mockImplementation((file, ...others) =>
        statSync(String(file), { throwIfNoEntry: false })?.isDirectory()
          ? Promise.reject(systemError(code, 'open'))
          : open(file, ...others),
      );
    await saveTensors(path, tree(1));
    expect(await valueIn(path)).toBe(1);
  });
});

test.each(['EBUSY', 'EXDEV'])(
  'a file that is mounted by itself stays, and the error says what to do (%s)',
  async (code) => {
    const folder = newFolder();
    const path = join(folder, 'x');
    await saveTensors(path, tree(1));
    jest.spyOn(fs, 'rename').mockRejectedValue(systemError(code, 'rename'));
    const failed = await rejectionOf(saveTensors(path, tree(2)));
    expect([failed.code, failed.message]).toEqual([
      code,
      `${path}: the file is mounted by itself, and can not be replaced; mount its folder, or save beside it`,
    ]);
    expect(readdirSync(folder)).toEqual(['x']);
    expect(await valueIn(path)).toBe(1);
  },
);

describe('half-written files', () => {
  /** Removes what is written, just before it is renamed, `times` times. */
  function removeInFlight(times: number): void {
    const { rename } = fs;
    let left = times;
    jest.spyOn(fs, 'rename').mockImplementation(async (from, to) => {
      if (left-- > 0) rmSync(String(from));
      await rename(from, to);
    });
  }

  test('one that somebody removes is written again, whatever the clocks say', async () => {
    const folder = newFolder();
    removeInFlight(3);
    await saveTensors(join(folder, 'x'), tree(7));
    expect(await valueIn(join(folder, 'x'))).toBe(7);
    expect(readdirSync(folder)).toEqual(['x']);
  });

  test('one that is always removed is an error', async () => {
    const path = join(newFolder(), 'x');
    removeInFlight(Infinity);
    expect((await rejectionOf(saveTensors(path, tree(7)))).code).toBe('ENOENT');
  });

  /** The name under which a file is written. */
  async function nameInFlight(name: string): Promise<string> {
    const { rename } = fs;
    let seen = '';
    jest.spyOn(fs, 'rename').mockImplementation((from, to) => {
      seen = String(from);
      return rename(from, to);
    });
    await saveTensors(join(newFolder(), name), tree(1));
    jest.restoreAllMocks();
    return seen.slice(seen.lastIndexOf('/.') + 1);
  }

  /** What stands in the name of an ended process: on Linux the start of an earlier one with our number, else its number. */
  const ENDED =
    process.platform === 'linux'
      ? '1'
      : execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();

  test.each(['x', 'a\nb', 'ø'.repeat(100), '-1-'])('those of a killed process are removed: %j', async (name) => {
    const own = await nameInFlight(name);
    expect(Buffer.byteLength(own)).toBeLessThan(256);
    const folder = newFolder();
    const parts = own.split('-');
    const gone = parts.with(-2, ENDED).join('-');
    for (const file of [own, gone]) writeFileSync(join(folder, file), 'half');
    await saveTensors(join(folder, 'other'), tree(1));
    expect(readdirSync(folder).sort()).toEqual([own, 'other'].sort());
  });

  test('20,000 of them are removed, and the event loop is not held', async () => {
    const parts = (await nameInFlight('x')).split('-');
    const folder = newFolder();
    for (let i = 0; i < 20_000; i++) {
      const random = `${i.toString(16).padStart(12, '0')}.tmp`;
      writeFileSync(join(folder, parts.with(-2, ENDED).with(-1, random).join('-')), '');
    }
    const delays = monitorEventLoopDelay({ resolution: 5 });
    delays.enable();
    await saveTensors(join(folder, 'y'), tree(1));
    delays.disable();
    expect(readdirSync(folder)).toEqual(['y']);
    expect(delays.max / 1e6).toBeLessThan(1000);
  }, 300_000);

  test('those of another namespace of process numbers are spared for a day', async () => {
    const own = await nameInFlight('x');
    const ended = own.split('-').with(-2, ENDED).join('-');
    const foreign = ended.replace(/metal-sgd-[0-9a-f]{8}-/, 'metal-sgd-00000000-');
    expect(foreign).not.toBe(own);
    const folder = newFolder();
    const path = join(folder, foreign);
    for (const [hours, kept] of [
      [0, true],
      [23, true],
      [25, false],
    ] as const) {
      writeFileSync(path, 'half');
      const then = Date.now() / 1000 - hours * 3600;
      utimesSync(path, then, then);
      await saveTensors(join(folder, 'other'), tree(1));
      expect(readdirSync(folder).includes(foreign)).toBe(kept);
    }
  });
});

describe('a folder of checkpoints', () => {
  const nameOf = (step: number): string => `step-${String(step).padStart(12, '0')}.safetensors`;
  const at = (step: number): SGD => {
    const optimizer = new SGD(1);
    optimizer.step = step;
    return optimizer;
  };

  test('the newest is the one saved last, also below an older run', async () => {
    const folder = newFolder();
    const checkpoints = new CheckpointDirectory(folder, { keep: 2 });
    for (const step of [100, 200, 300, 1, 2]) await checkpoints.save(at(step));
    expect(readdirSync(folder).sort()).toEqual([nameOf(1), nameOf(2)]);
    const next = new SGD(1);
    await checkpoints.load(next);
    expect(next.step).toBe(2);
  });

  test('a clock that jumps back changes nothing', async () => {
    const folder = newFolder();
    const checkpoints = new CheckpointDirectory(folder, { keep: 2 });
    for (const step of [1, 2, 3]) {
      const path = await checkpoints.save(at(step));
      const future = statSync(path).mtimeMs / 1000 + 3600;
      if (step === 1) utimesSync(path, future, future); // then the clock jumps back
    }
    expect(readdirSync(folder).sort()).toEqual([nameOf(2), nameOf(3)]);
    expect(await checkpoints.newest()).toBe(join(folder, nameOf(3)));
  });

  test('what is no file is passed over', async () => {
    const folder = newFolder();
    const checkpoints = new CheckpointDirectory(folder, { keep: 1 });
    await checkpoints.save(at(5));
    mkdirSync(join(folder, nameOf(6)));
    symlinkSync(nameOf(7), join(folder, nameOf(7)));
    execFileSync('mkfifo', [join(folder, nameOf(8))]);
    expect(await checkpoints.newest()).toBe(join(folder, nameOf(5)));
    await checkpoints.save(at(6 + 3));
    expect(readdirSync(folder).sort()).toEqual([6, 7, 8, 9].map(nameOf));
  });

  test('load and save hold the optimizer from the call on', async () => {
    const parameters = zeros({ w: [4] });
    const optimizer = new SGD(1);
    const checkpoints = new CheckpointDirectory(newFolder());
    const saved = checkpoints.save(optimizer, { parameters });
    expect(() => {
      optimizer.update(parameters, parameters);
    }).toThrow(/^update: a save is still being written/);
    await saved;
    const loaded = checkpoints.load(optimizer, { parameters });
    expect(() => {
      optimizer.update(parameters, parameters);
    }).toThrow(/^update: a load is still running/);
    await loaded;
    expect(optimizer.step).toBe(0);
  });

  test('load checks its arguments before it looks for a file', async () => {
    const checkpoints = new CheckpointDirectory(newFolder());
    const failed = await rejectionOf(checkpoints.load(new SGD(1), { strict: 1 as never }));
    expect(failed.code).toBe('invalid-option');
  });

  test.each([1, 2])('a reader beside a writer that prunes never misses its file (at open %i)', async (nth) => {
    const folder = newFolder();
    const checkpoints = new CheckpointDirectory(folder, { keep: 1 });
    await checkpoints.save(at(0));
    let [step, opens] = [0, nth];
    const { open } = fs;
    // The writer prunes what the reader has just found.
    jest.spyOn(fs, 'open').mockImplementation(async (file, ...others) => {
      if (String(file) === join(folder, nameOf(step)) && --opens === 0) {
        jest.spyOn(fs, 'open').mockImplementation(open);
        await checkpoints.save(at(++step));
      }
      return open(file, ...others);
    });
    const reader = new SGD(1);
    await checkpoints.load(reader);
    expect(reader.step).toBe(1);
  });
});
