// What goes wrong among processes: each ends with a clear error, in bounded time.
import { type Failure } from '../helpers/failures';
import { killRank, trainedWhole } from '../helpers/killedRank';
import { type RankLab, runRanks } from '../helpers/ranks';
import { temporaryFolders } from '../helpers/folders';

const newFolder = temporaryFolders();

type Said = Partial<Record<'code' | 'message', string>> & Record<string, unknown>;

/** Runs `body` on two ranks, and gives what each says. */
function ask(body: (lab: RankLab) => Promise<unknown>, options: Parameters<typeof runRanks>[2] = {}): readonly Said[] {
  const { results, stderr } = runRanks(body, undefined, options);
  expect({ results, stderr }).toMatchObject({ results: Array.from(results, () => expect.anything() as unknown) });
  return results as readonly Said[];
}

test('trees, options and calls that differ are named on all ranks, and the world goes on', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const isFirst = world.rank === 0;
    const told: string[] = [];
    const tell = async (work: () => Promise<unknown>): Promise<void> => {
      await work().then(
        () => told.push('nothing'),
        (error: unknown) => {
          const { code, message } = error as Failure;
          told.push(`${String(code)} ${message}`);
        },
      );
    };
    await tell(() => world.broadcast(sgd.zeros({ a: isFirst ? 3 : 4 })));
    await tell(() => world.averageGradients({ a: isFirst ? new Float32Array(3) : new Float64Array(3) }));
    await tell(() => (isFirst ? world.barrier() : world.broadcast(sgd.zeros(1))));
    const [w, g] = [sgd.zeros(2), sgd.zeros(2)];
    g.data.fill(1);
    const optimizer = new sgd.SGD(1, { momentum: isFirst ? 0.5 : 0.25, world });
    await tell(() => optimizer.updateAsync(w, g));
    const before = [...w.data];
    optimizer.momentum = 0;
    await tell(() => optimizer.updateAsync(w, isFirst ? g : sgd.meanOf(g, g)));
    await tell(() => optimizer.updateAsync(w, g));
    await world.leave();
    await tell(() => world.barrier());
    return { told, before, after: [...w.data], step: optimizer.step };
  });
  const expected = 'expected the same on all ranks, received others: rank 0 has';
  for (const one of said) {
    expect(one).toMatchObject({ before: [0, 0], after: [-1, -1], step: 1 });
    expect(one['told']).toEqual([
      `world-mismatch broadcast: ${expected} leaf tree.a [3] float32, and rank 1 has leaf tree.a [4] float32`,
      `world-mismatch averageGradients: ${expected} leaf gradients.a [3] float32, and rank 1 has leaf gradients.a [3] float64`,
      `world-mismatch barrier: ${expected} barrier, and rank 1 has broadcast`,
      expect.stringMatching(/^world-mismatch updateAsync: .*"momentum":0.5.*"momentum":0.25/),
      `world-mismatch updateAsync: ${expected} gradients 1, and rank 1 has gradients 2`,
      'nothing',
      'world-state barrier: this process has left the world',
    ]);
  }
});

test('steps that would block, and a second one before the first is over, are refused', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const [w, g] = [sgd.zeros(2), sgd.zeros(2)];
    const optimizer = new sgd.SGD(1, { world });
    const codes: unknown[] = [];
    for (const call of [
      () => {
        optimizer.update(w, g);
      },
      () => optimizer.applyGradients(g, w),
    ])
      try {
        call();
      } catch (error) {
        codes.push((error as Failure).code);
      }
    const first = optimizer.updateAsync(w, g);
    codes.push(await optimizer.updateAsync(w, g).catch((error: unknown) => (error as Failure).code));
    await first;
    await world.leave();
    return { codes };
  });
  for (const { codes } of said) expect(codes).toEqual(['world-state', 'world-state', 'busy']);
});

test('leaves that differ leave nothing behind: later steps are right wherever their sums lie', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000, allReduceSize: 64 });
    const w = sgd.zeros({ a: 32, b: 3, c: 40 });
    const g = sgd.zerosLike(w);
    for (const { data } of Object.values(g)) data.fill(world.rank + 1);
    const optimizer = new sgd.SGD(1, { world });
    const { b, ...others } = g;
    const first = await optimizer
      .updateAsync(w, world.rank === 0 ? { ...others, b } : others)
      .catch((error: unknown) => (error as Failure).code);
    await optimizer.updateAsync(w, others);
    const values = Object.values(w).map(({ data }) => [...new Set(data)]);
    await world.leave();
    return { first, values };
  });
  for (const one of said) expect(one).toEqual({ first: 'world-mismatch', values: [[-1.5], [0], [-1.5]] });
});

test('steps of different optimizers, other dtypes and frozen leaves are a mismatch', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const isFirst = world.rank === 0;
    const codes: unknown[] = [];
    const tell = (step: Promise<unknown>): Promise<unknown> =>
      step.then(
        () => codes.push('nothing'),
        (error: unknown) => codes.push((error as Failure).code),
      );
    const [one, other] = [new sgd.SGD(1, { world }), new sgd.SGD(1, { world })];
    const [w, g] = [sgd.zeros({ a: 4, b: 4 }), sgd.zeros({ a: 4, b: 4 })];
    await tell((isFirst ? one : other).updateAsync(w, g));
    const narrow = sgd.zeros({ a: 4, b: 4 }, isFirst ? 'float32' : 'float16');
    await tell(new sgd.SGD(1, { world }).updateAsync(narrow as never, g as never));
    const trainable = isFirst ? undefined : /a/;
    await tell(new sgd.SGD(1, { world, trainable }).updateAsync(w, g));
    await world.leave();
    return { codes };
  });
  for (const { codes } of said) expect(codes).toEqual(['world-mismatch', 'world-mismatch', 'world-mismatch']);
});

test('an exchange beside one that is pending is refused', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const [w, g] = [sgd.zeros(100), sgd.zeros(100)];
    const optimizer = new sgd.SGD(1, { world });
    const step = optimizer.updateAsync(w, g);
    const calls = [
      () => world.barrier(),
      () => world.averageGradients(g),
      () => world.broadcast(w),
      () => world.leave(),
      () => optimizer.save('never'),
      () => new sgd.SGD(1, { world }).updateAsync(w, g),
    ];
    const codes: unknown[] = [];
    for (const call of calls) codes.push(await call().catch((error: unknown) => (error as Failure).code));
    await step;
    await world.leave();
    return { codes };
  });
  for (const { codes } of said) expect(codes).toEqual(Array(6).fill('busy'));
});

test('a call that is refused keeps what was accumulated', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const [w, g] = [sgd.zeros({ a: 4 }), sgd.zeros({ a: 4 })];
    g.a.data.fill(1);
    const optimizer = new sgd.SGD(1, { world });
    optimizer.accumulate(g);
    const refused = await optimizer
      .updateAsync(w, sgd.zeros({ a: 5 }) as never)
      .catch((error: unknown) => (error as Failure).code);
    await optimizer.updateAsync(w);
    await world.leave();
    return { refused, values: [...new Set(w.a.data)] };
  });
  for (const one of said) expect(one).toEqual({ refused: 'shape-mismatch', values: [-1] });
});

test('a step that fails after its exchange loses what was accumulated, which is that of all ranks by then', () => {
  const said = ask(async ({ sgd }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const [w, g] = [sgd.zeros(2), sgd.zeros(2)];
    const optimizer = new sgd.SGD(1, { nonFinite: 'error', world });
    g.data.fill(NaN);
    optimizer.accumulate(g);
    const { code } = (await optimizer.updateAsync(w).catch((error: unknown) => error as Failure)) as Failure;
    g.data.fill(1);
    await optimizer.updateAsync(w, g);
    await world.leave();
    return { code, after: [...w.data], step: optimizer.step };
  });
  for (const one of said) expect(one).toEqual({ code: 'not-finite', after: [-1, -1], step: 1 });
});

test('no library: what to install', () => {
  const said = ask(
    async ({ sgd }) =>
      sgd
        .joinWorld()
        .catch((error: unknown) => ({ code: (error as Failure).code, message: (error as Failure).message })),
    {
      env: { METAL_SGD_MPI: '/nowhere/libmpi.so' },
    },
  );
  for (const { code, message } of said) {
    expect(code).toBe('no-mpi');
    expect(message).toMatch(/^joinWorld: install Open MPI \(Debian: openmpi-bin; Homebrew: open-mpi\), .*\/nowhere/);
  }
});

test('a library of another family than the launcher’s', () => {
  const body = async ({ sgd }: RankLab): Promise<unknown> =>
    sgd
      .joinWorld({ timeout: 20_000 })
      .catch((error: unknown) => ({ code: (error as Failure).code, message: (error as Failure).message }));
  const { results } = runRanks(body, undefined, { env: { METAL_SGD_MPI: 'libmpich.so.12' } });
  for (const result of results) {
    expect(result).toMatchObject({ code: 'launcher-mismatch' });
    expect((result as Said).message).toMatch(
      /the launcher is one of Open MPI and says rank \d of 2, but MPICH.* says rank 0 of 1/,
    );
  }
});

test('a rank that does not come: a time limit, and nothing more afterwards', () => {
  const said = runRanks(async ({ sgd, rank }: RankLab): Promise<unknown> => {
    const world = await sgd.joinWorld({ timeout: 4000 });
    if (rank === 1) {
      await new Promise((resolve) => setTimeout(resolve, 9000));
      process.exit(0);
    }
    const start = performance.now();
    const failure = await world.barrier().catch((error: unknown) => error as Failure);
    const took = performance.now() - start;
    const later = await world.barrier().catch((error: unknown) => error as Failure);
    const told = [failure, later].map((one) => one && { code: one.code, message: one.message });
    return { told, took };
  });
  const { told, took } = said.results[0] as { told: Said[]; took: number };
  expect(told[0]).toEqual({
    code: 'world-timeout',
    message: 'barrier: other processes of the job did not come within 4 s',
  });
  expect(told[1].code).toBe('world-failed');
  expect(told[1].message).toContain('an earlier exchange failed');
  expect(took).toBeLessThan(7000);
});

test('a rank that never joins: a time limit, and the event loop is free', () => {
  const { results } = runRanks(async ({ sgd, rank }: RankLab): Promise<unknown> => {
    if (rank === 1) {
      await new Promise((resolve) => setTimeout(resolve, 4000));
      process.exit(0);
    }
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const failure = await sgd.joinWorld({ timeout: 1500 }).catch((error: unknown) => error as Failure);
    clearInterval(timer);
    return { code: (failure as Failure).code, ticks };
  });
  expect(results[0]).toMatchObject({ code: 'world-timeout' });
  expect((results[0] as { ticks: number }).ticks).toBeGreaterThan(50);
});

test('a child process of a rank, and a worker, do not join', () => {
  const said = ask(async ({ sgd, childProcess }) => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const code = `require('metal-sgd').joinWorld().catch((error) => console.log(error.code, error.message));`;
    const child = childProcess.spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', timeout: 10_000 });
    const { Worker } = await import('node:worker_threads');
    const inWorker = new Worker(
      code.replace(
        'console.log(error.code, error.message)',
        "require('node:worker_threads').parentPort.postMessage(error.code)",
      ),
      { eval: true },
    );
    const worker = await new Promise((resolve) => inWorker.once('message', resolve));
    await world.leave();
    return { child: child.stdout, worker };
  });
  for (const { child, worker } of said) {
    expect(child).toMatch(/^world-state joinWorld: process \d+ has joined as this rank/);
    expect(worker).toBe('world-state');
  }
});

test('rank 0 writes, the others wait; other contents are a mismatch', () => {
  const folder = newFolder();
  const { results, stderr } = runRanks(async ({ sgd, fs }: RankLab, path: string): Promise<unknown> => {
    const world = await sgd.joinWorld({ timeout: 20_000 });
    const [w, g] = [sgd.zeros({ a: 5 }), sgd.zeros({ a: 5 })];
    g.a.data.fill(1);
    const optimizer = new sgd.SGD(0.1, { momentum: 0.9, world });
    const directory = new sgd.CheckpointDirectory(`${path}/all`, { keep: 2 });
    const paths: string[] = [];
    for (let i = 0; i < 4; i++) {
      await optimizer.updateAsync(w, g);
      paths.push(await directory.save(optimizer, { parameters: w }));
    }
    const kept = fs.readdirSync(`${path}/all`);
    const loaded = new sgd.SGD(0.1, { momentum: 0.9, world });
    const other = sgd.zeros({ a: 5 });
    await loaded.load(paths[3], { parameters: other });
    const failed = await optimizer
      .save(() => `${path}/missing/file.safetensors`)
      .catch((error: unknown) => (error as Failure).code);
    const mine = world.rank === 0 ? paths[3] : `${path}/nowhere.safetensors`;
    const missing = await loaded.load(mine).catch((error: unknown) => (error as Failure).code);
    const unlike = await loaded.load(paths[2 + world.rank]).catch((error: unknown) => (error as Failure).code);
    await world.leave();
    return { paths, kept, same: Buffer.compare(sgd.toBytes(other), sgd.toBytes(w)) === 0, failed, missing, unlike };
  }, folder);
  const names = [1, 2, 3, 4].map((step) => `step-${String(step).padStart(12, '0')}.safetensors`);
  const told = { paths: names.map((name) => `${folder}/all/${name}`), same: true, unlike: 'world-mismatch' };
  expect({ results, stderr }).toMatchObject({
    results: [
      { ...told, failed: 'ENOENT', missing: 'world-mismatch' },
      { ...told, failed: 'aborted', missing: 'ENOENT' },
    ],
    stderr: '',
  });
  expect((results[0] as { kept: string[] }).kept.sort()).toEqual(names.slice(2));
});

test('files that take longer than the time limit are waited for', () => {
  const folder = newFolder();
  const said = ask(
    async ({ sgd, fs, rank }) => {
      const world = await sgd.joinWorld({ timeout: 4000 });
      const parameters = sgd.zeros(3);
      const optimizer = new sgd.SGD(0.1, { momentum: 0.9, world });
      await optimizer.updateAsync(parameters, sgd.zeros(3));
      const { open } = fs.promises;
      const slowOn = (slow: number): void => {
        fs.promises.open = async (...args) => {
          if (rank === slow) await new Promise((resolve) => setTimeout(resolve, 5500));
          return open(...args);
        };
      };
      slowOn(0);
      const path = await optimizer.save(`${String(process.env['FOLDER'])}/a.safetensors`, { parameters });
      slowOn(1);
      await optimizer.load(path, { parameters });
      await world.leave();
      return { path };
    },
    { env: { FOLDER: folder } },
  );
  for (const { path } of said) expect(path).toBe(`${folder}/a.safetensors`);
});

test.each([
  ['openmpi', 150],
  ['mpich', 300],
] as const)(
  '%s: a killed rank ends the job; a resumed one arrives at the same bits',
  async (launcher, delay) => {
    const [undisturbed, killed] = [newFolder(), newFolder()];
    const whole = trainedWhole(launcher, undisturbed);
    await killRank(launcher, killed, delay);
    expect(trainedWhole(launcher, killed).equals(whole)).toBe(true);
  },
  60_000,
);

test('process.exit in the middle of an exchange ends the process', () => {
  const { status, signal } = runRanks(
    async ({ sgd, rank }: RankLab): Promise<void> => {
      const world = await sgd.joinWorld({ timeout: 20_000 });
      if (rank === 0) void world.barrier();
      setTimeout(() => process.exit(3), 200);
    },
    undefined,
    { timeout: 20_000 },
  );
  expect(signal).toBeNull();
  expect(status).toBe(3);
});
