// `npm run verify`: on a Mac on its GPU, elsewhere over the simulator; and its report of runs in which things go wrong.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, ROOT, runNode } from '../helpers/child';
import { evaluateAfter } from '../helpers/evaluate';
import { temporaryFolders } from '../helpers/folders';
import { standIns } from '../helpers/releaseScript';

const onMac = process.platform === 'darwin';
const newFolder = temporaryFolders();

interface Verified extends Outcome<never> {
  readonly report: string;
}

type Environment = Readonly<Record<string, string>>;

/** Runs the script; on Linux over the simulator, if there shall be a GPU. */
function verify(options: readonly string[], env: Environment = {}): Verified {
  const path = join(newFolder(), 'report.md');
  const outcome = runNode<never>(['scripts/verify/verify.mjs', '--report', path, ...options], {
    env,
    timeout: 900_000,
  });
  return { ...outcome, report: readFileSync(path, 'utf8') };
}

const QUICK = onMac ? ['--quick'] : ['--quick', '--simulator'];

const MODULES = ['processes', 'questions', 'report', 'steps'].map(
  (name) => `...(await import('./scripts/verify/${name}.mjs'))`,
);

/** The value of an expression over the modules of scripts/verify, together called `all`; `data` is in its sight. */
const evaluate = (expression: string, data?: unknown): unknown =>
  evaluateAfter(`const all = { ${MODULES.join(', ')} };`, expression, data);

/** A run of which everything passed, on a Mac. */
const FOUND = {
  machine: { chip: 'Apple M1, 16 GiB, arm64', system: 'macOS 15.1', node: 'v22.0.0' },
  chip: 'Apple M1',
  steps: [{ name: 'the build', outcome: 'passed' }],
  complaints: [],
  answers: {},
};
const reportOf = (changes: object): string => evaluate('all.reportOf(data)', { ...FOUND, ...changes }) as string;

/** The cells of the table of questions, by id. */
function answersIn(report: string): Map<string, { question: string; answer: string }> {
  const rows = [...report.matchAll(/^\| `([\w-]+)` +\| (.+?) +\| (.+?) +\|$/gm)];
  return new Map(rows.map(([, id, question, answer]) => [id, { question, answer }]));
}

const documentation = readFileSync(join(ROOT, 'docs', 'on-a-mac.md'), 'utf8');
const asked = new Map([...documentation.matchAll(/^### `([\w-]+)` (.+)$/gm)].map(([, id, question]) => [id, question]));

/** The result of a run of a program, as a step. */
const stepOfRun = (code: string, seconds = 60): unknown =>
  evaluate(`all.stepOfRun('the suite', await all.run(process.execPath, ['-e', data.code], data))`, { code, seconds });

describe('a run that finds a GPU', () => {
  let run: Verified;
  beforeAll(() => {
    run = verify(QUICK);
  }, 900_000); // the first time of all, the simulator is built

  test('passes, in a report that begins with the verdict', () => {
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    const gpu = onMac ? 'the GPU of this Mac' : 'the simulated GPU';
    const [first] = run.report.split('\n');
    expect(first).toBe(`PASS: ${gpu} computes as the CPU does; a quick run, without the test suite`);
    expect(run.stdout).toContain(first);
    expect(run.report.includes('Made over the simulator')).toBe(!onMac);
    expect(run.report).toMatch(/^- node: v\d+/m);
  });

  test('proves every dtype that a GPU takes', () => {
    expect(run.report.match(/^- the self-test of (float32|float16|bfloat16): passed$/gm)).toHaveLength(3);
  });

  test('measures speed in numbers above zero', () => {
    const rows = run.report.split('\n').filter((line) => /^\| \d/.test(line));
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      const numbers = row.split('|').slice(1, -1).map(Number);
      for (const at of [0, 1, 2, 4, 5]) expect(numbers[at]).toBeGreaterThan(0);
    }
  });

  test('answers each question of the document, or says why it does not', () => {
    const answers = answersIn(run.report);
    expect([...answers].map(([id, { question }]) => [id, question])).toEqual([...asked]);
    const open = [...answers].filter(([, { answer }]) => answer.startsWith('not answered: ')).map(([id]) => id);
    for (const id of ['rounding', 'sixteen-bit', 'page-alignment', 'no-copy', 'submit-cost', 'event-loop', 'compiler'])
      expect(open).not.toContain(id);
    expect(open).toEqual(expect.arrayContaining(['geometry', 'hazard-tracking', 'watchdog', 'messages']));
    for (const id of ['large-wrap', 'pauses', 'spin']) expect(open.includes(id)).toBe(!onMac);
  });

  test('finds subnormals flushed and arenas taken without a copy', () => {
    const answers = answersIn(run.report);
    expect(answers.get('subnormals')?.answer).toContain('They are flushed to zero.');
    expect(answers.get('no-copy')?.answer).toContain('Yes.');
    expect(answers.get('division')?.answer).toContain('Yes.');
    expect(answers.get('sum-barriers')?.answer).toContain('Yes.');
    expect(answers.get('norm-barriers')?.answer).toContain('Yes.');
    expect(answers.get('square-root')?.answer).toContain('The bits are right.');
    expect(answers.get('copied-subnormals')?.answer).toMatch(/They are (kept|flushed to zero)\./);
    expect(answers.get('flushed-zero')?.answer).toMatch(/become [-+]0 and [-+]0 on the GPU, -0 and -0 on the CPU\.$/);
    // Processors for arm64 flush before they round. What Apple's GPUs do is an open question.
    const [onGpu, onCpu] = [
      onMac ? '(kept|flushed to zero)' : 'kept',
      process.arch === 'arm64' ? 'flushed to zero' : 'kept',
    ];
    expect(answers.get('tiny-products')?.answer).toMatch(
      new RegExp(`On the GPU it is ${onGpu}, on the CPU ${onCpu}\\.`),
    );
  });
});

describe('the report', () => {
  test('has one list of questions: what answers them and what the document asks are the same', () => {
    expect((evaluate('Object.keys(all.ways)') as string[]).sort()).toEqual([...asked.keys()].sort());
    expect([...answersIn(reportOf({})).keys()]).toEqual([...asked.keys()]);
  });

  test('stays short with 500 failed tests, long words and 1,000 lines of output', () => {
    const list = Array.from(
      { length: 500 },
      (_, i) => `test/x.test.ts: SGD › test ${String(i)} ${'long '.repeat(200)}`,
    );
    const names = ['the build', 'the tests on the CPU', 'the tests on the GPU', 'the addon made on Linux', 'another'];
    const note = 'a line of output\n'.repeat(1000);
    const steps = names.map((name) => ({ name, outcome: 'failed', note, list, failedTests: 500 }));
    const lines = reportOf({ steps, complaints: list }).split('\n');
    expect(lines.length).toBeLessThanOrEqual(100);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(500);
    expect(lines[0]).toMatch(/^FAIL: 500 of the build failed, .* … and 2 more$/);
    expect(lines.filter((line) => line === '  - … and 493 more')).toHaveLength(names.length);
  });

  test('tells a crash from a failure, and failures first', () => {
    const crash = { name: 'the tests on the GPU', outcome: 'incomplete', note: 'ended by SIGSEGV' };
    const failure = { name: 'the tests on the CPU', outcome: 'failed', note: '', failedTests: 3 };
    const first = (steps: unknown[]): string => reportOf({ steps }).split('\n')[0];
    expect(first([crash])).toBe('INCOMPLETE: the tests on the GPU: ended by SIGSEGV');
    expect(first([crash, failure])).toBe(
      'FAIL: 3 of the tests on the CPU failed, the tests on the GPU: ended by SIGSEGV',
    );
    expect(first(FOUND.steps)).toBe('PASS: the GPU of this Mac computes as the CPU does');
  });

  test('shows a speed below the goal, which fails nothing', () => {
    const result = { large: [{ elements: 2 ** 24, cpu: [10], wall: [100] }] };
    const report = reportOf({ answers: { bandwidth: { result } } });
    expect(report).toMatch(/^PASS: /);
    expect(answersIn(report).get('bandwidth')?.answer).toBe('No: 5 % of 68 GB/s.');
    expect(report).toContain('| 16777216 | 10.0 | 33.6 | 49 % | 100 | 3.36 | 5 % |');
  });

  test('tells how jax-js trains on the GPU, and why it does not', () => {
    const wasm = { stepsPerSecond: 100, losses: [2, 1] };
    const answerOf = (result: object): string | undefined =>
      answersIn(reportOf({ answers: { jax: { result } } })).get('jax')?.answer;
    const both = { webgpu: { stepsPerSecond: 250.4, losses: [2, 1.00001] }, wasm };
    expect(answerOf(both)).toBe('Yes; 250 steps per second over WebGPU, 100 over WebAssembly.');
    const apart = { webgpu: { stepsPerSecond: 250.4, losses: [2, 1.5] }, wasm };
    expect(answerOf(apart)).toMatch(/^No: losses are 0\.5 apart; 250 steps/);
    expect(answerOf({ webgpu: { failure: 'Dawn finds no GPU' }, wasm })).toBe('No: Dawn finds no GPU');
    expect(answerOf({})).toBe('not answered: examples/jax is not installed');
  });

  test('survives a result of an odd shape', () => {
    const report = reportOf({ answers: { compiler: { result: { took: null, most: null } } } });
    expect(answersIn(report).get('compiler')?.answer).toContain('not clear');
  });

  test('stands there whole or not at all', () => {
    const path = join(newFolder(), 'report.md');
    mkdirSync(`${path}.part`); // nothing can be written beside it
    expect(() => evaluate('all.writeReport(data.path, data)', { ...FOUND, path })).toThrow('EISDIR');
    expect(existsSync(path)).toBe(false);
  });
});

describe('a step', () => {
  test.each(['SIGSEGV', 'SIGKILL'])('that %s ends is incomplete', (signal) => {
    const step = stepOfRun(`console.log('FAIL a.ts\\n  ● A › b'); process.kill(process.pid, '${signal}')`);
    expect(step).toMatchObject({ outcome: 'incomplete', note: `ended by ${signal}`, list: ['a.ts: A › b'] });
  });

  test('that hangs is incomplete, and what it started ends with it', () => {
    const start = `require('node:child_process').spawn('sleep', ['100'], { stdio: 'inherit' })`;
    expect(stepOfRun(start, 0.5)).toMatchObject({ outcome: 'incomplete', note: 'did not end within 0.5 s' });
  });

  test('that can not start is incomplete', () => {
    const step = evaluate("all.stepOfRun('x', await all.run('/no/such/program', []))");
    expect(step).toMatchObject({ outcome: 'incomplete', note: expect.stringContaining('ENOENT') as string });
  });

  test('that fails before any test shows its last lines', () => {
    expect(stepOfRun("for (let i = 0; i < 9; i++) console.log('line ' + i); process.exitCode = 2")).toEqual({
      name: 'the suite',
      outcome: 'failed',
      note: 'status 2',
      list: ['line 4', 'line 5', 'line 6', 'line 7', 'line 8'],
    });
  });
});

test("complaints are those of Metal's validation, not of other parts of the system", () => {
  const complaints = [
    '-[MTLDebugComputeCommandEncoder setBuffer:]:12: failed assertion `offset must be less than length',
    'Invalid device load executing kernel function "sgd_f32" at offset 12',
    '2026-01-01 node[1] Compute Function Validation Error',
  ];
  const others = [
    '2026-01-01 node[1] Metal API Validation Enabled',
    '2026-01-01 node[1] Metal GPU Validation Enabled',
    'flock failed to lock maps file: errno = 35',
    '',
  ];
  const stderr = [...others, ...complaints, ...others].join('\n');
  expect(evaluate('all.complaintsIn(data)', stderr)).toEqual(complaints);
});

test('Ctrl-C leaves no report, no half of one and no process', async () => {
  const [folder, path] = [newFolder(), newFolder()];
  const preload = join(folder, 'preload.cjs');
  writeFileSync(
    preload,
    `if (process.argv[1].endsWith('probes.mjs')) {
       require('node:fs').writeFileSync('${join(folder, 'pid')}', String(process.pid));
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     }`,
  );
  const report = join(path, 'report.md');
  writeFileSync(report, 'PASS: an old one');
  const child = spawn(process.execPath, ['scripts/verify/verify.mjs', '--quick', '--report', report], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: `--require ${preload}` },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const pid = (): string => (existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : '');
  while (pid() === '' && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(readdirSync(path)).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', pid()], { encoding: 'utf8' });
  expect(stdout).toMatch(/^Z|^$/); // some systems leave the dead as they are
});

if (!onMac) {
  /** The suite fails or crashes, and so does the process of one question; what else there is runs. */
  const BREAKS = `
    const [, script, given = ''] = process.argv;
    if (script.endsWith('scripts/test/test.mjs')) {
      if (process.argv.includes('gpu')) process.kill(process.pid, 'SIGSEGV');
      const failed = Array.from({ length: 500 }, (_, i) => '  ● SGD › test ' + i).join('\\n');
      process.stdout.write('output\\n'.repeat(1000) + 'FAIL test/x.test.ts\\n' + failed + '\\nTests: 500 failed\\n');
      process.exit(1);
    }
    if (given.includes('"subnormals"')) process.kill(process.pid, 'SIGKILL');`;

  describe('a run in which the suite and a question crash', () => {
    let run: Verified;
    beforeAll(() => {
      const folder = newFolder();
      const preload = join(folder, 'preload.cjs');
      writeFileSync(preload, BREAKS);
      const { env } = standIns(folder, { npm: '' });
      run = verify(['--simulator'], { ...env, NODE_OPTIONS: `--require ${preload}` });
    }, 900_000);

    test('fails, with the verdict first', () => {
      expect(run.status).toBe(1);
      expect(run.report.split('\n')[0]).toBe(
        'FAIL: 500 of the tests on the CPU failed, the tests on the GPU: ended by SIGSEGV, ' +
          'the question subnormals: its process ended by SIGKILL',
      );
      expect(run.report.split('\n').length).toBeLessThan(100);
    });

    test('has all the rest', () => {
      expect(run.report).toContain('- the tests on the GPU: **incomplete**: ended by SIGSEGV\n');
      expect(run.report).toContain('  - … and 493 more\n');
      expect(run.report).toContain('- ten steps with the same bits on CPU and GPU: passed\n');
      const answers = answersIn(run.report);
      expect([...answers.keys()]).toEqual([...asked.keys()]);
      expect(answers.get('subnormals')?.answer).toBe('not answered: its process ended by SIGKILL');
      expect(answers.get('flushed-zero')?.answer).toMatch(/^In the simulator: /);
    });
  });

  describe('what only a Mac can tell', () => {
    const probe = (given: object): unknown =>
      JSON.parse(
        runNode(['scripts/verify/probes.mjs', JSON.stringify(given)], {
          env: { METAL_SGD_PREBUILD: join(ROOT, 'build-sim') },
        }).stdout,
      );

    test('is asked for by probes that run', () => {
      const time = expect.any(Number) as number;
      expect(probe({ probe: 'pauses', elements: 1000, rests: [0, 1] })).toEqual({
        pauses: [
          { rest: 0, milliseconds: time },
          { rest: 1, milliseconds: time },
        ],
      });
      expect(probe({ probe: 'spin', elements: 1000, steps: 3 })).toEqual({ elements: 1000, share: time });
      expect(probe({ probe: 'copied', elements: 100_000 })).toEqual({ elements: 100_000, copiedBytes: 0 });
    });

    test('is put into words', () => {
      const answers = {
        pauses: {
          result: {
            pauses: [
              { rest: 0, milliseconds: 1 },
              { rest: 1000, milliseconds: 28.12 },
            ],
          },
        },
        spin: { result: { elements: 1000, share: 0.034 } },
        'large-wrap': { result: { copiedBytes: 12 } },
      };
      const said = answersIn(reportOf({ answers }));
      expect(said.get('pauses')?.answer).toBe('after 0 ms of rest 1.00 ms, after 1000 ms of rest 28.1 ms');
      expect(said.get('spin')?.answer).toBe('3 % of one core, during steps of 1000 elements.');
      expect(said.get('large-wrap')?.answer).toBe('No: 12 bytes were copied.');
    });
  });

  describe('a run that fails', () => {
    test('without a GPU', () => {
      const { status, report } = verify(['--quick'], { METAL_SGD_PREBUILD: '' });
      expect(status).toBe(1);
      expect(report).toMatch(/^FAIL: finding a GPU failed\n/);
      expect(report).toMatch(/^- finding a GPU: \*\*failed\*\*: .*Metal is on macOS alone/m);
      expect(answersIn(report).get('subnormals')?.answer).toMatch(/^not answered: no GPU/);
      expect(answersIn(report).get('page-alignment')?.answer).toContain('of 64 growable buffers');
    });

    test('on a GPU that fuses multiplication and addition', () => {
      const { status, report } = verify(QUICK, { METAL_SIM: '{"contract":true}' });
      expect(status).toBe(1);
      expect(report).toMatch(/^FAIL: the self-test of float32 failed/);
      expect(answersIn(report).get('rounding')?.answer).toMatch(/No: self-test: .*expected bits/);
    });
  });

  // It differs from the CPU where subnormals are, and nowhere else: `device: 'gpu'` steps on it.
  test.each([
    ['keeps subnormals', 'flushSubnormals', false, 'subnormals', /They are kept/],
    [
      'drops the sign of what it flushes',
      'positiveZero',
      true,
      'flushed-zero',
      /\+0 and \+0 on the GPU, -0 and -0 on the CPU/,
    ],
  ] as const)('a GPU that %s passes, and the report says so', (_, setting, value, question, answer) => {
    const { status, report } = verify(QUICK, { METAL_SIM: JSON.stringify({ [setting]: value }) });
    expect(status).toBe(0);
    expect(answersIn(report).get(question)?.answer).toMatch(answer);
  });
}
