// Other packages in the benchmarks: the protocol, with peers that are made up.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Case, type Contestant, RULES } from '../../bench/contestant';
import { javascript } from '../../bench/contestants/javascript';
import { onProcessors, type Peer, startPeer } from '../../bench/contestants/peers';
import { measure, type Measurement } from '../../bench/measure';
import { Program } from '../../bench/program';
import { MODELS } from '../../bench/models';

let folder: string;
const told: string[] = [];

beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'metal-sgd-peers-'))));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
beforeEach(() => (told.length = 0));

/** Speaks the protocol; `answers` replaces answers of its own. */
async function peerWith(answers: string): Promise<Peer | string> {
  const script = join(folder, `${String(Math.random())}.cjs`);
  writeFileSync(
    script,
    `const answers = { hello: () => ({ version: '1.2.3' }), open: () => ({}), close: () => ({}),
       time: ({ steps }) => ({ nanoseconds: 1000 * steps }), values: () => ({ values: [] }), ...(${answers}) };
     require('node:readline').createInterface({ input: process.stdin })
       .on('line', (line) => console.log(JSON.stringify(answers[JSON.parse(line).do](JSON.parse(line)))));`,
  );
  const command = { name: 'a peer', command: process.execPath, arguments: [script] };
  return startPeer(command, (line) => told.push(line), 2000);
}

const perceptron: Case = {
  model: MODELS[2],
  dtype: 'float32',
  rule: RULES[1],
  threads: 1,
};

async function measured(peer: Contestant): Promise<Measurement> {
  const into: Measurement[] = [];
  const effort = { rounds: 3, openings: 1, sample: 1e5, budget: 1e9, mostSteps: 10 };
  const { signal } = new AbortController();
  const refused = (name: string, reason: string, label: string): void => {
    told.push(`${name}: ${label}: ${reason}`);
  };
  const complain = (line: string): void => {
    told.push(line);
  };
  await measure([perceptron], [javascript, peer], effort, into, { signal, complain, refused, tell: () => undefined });
  await peer.close();
  return into[0];
}

async function started(answers: string): Promise<Peer> {
  const peer = await peerWith(answers);
  if (typeof peer === 'string') throw new Error(peer);
  return peer;
}

/** The right values, as a peer's answer. */
async function rightValues(): Promise<string> {
  const runner = await javascript.open(perceptron);
  if (typeof runner === 'string') throw new Error(runner);
  await runner.time(3);
  const { values } = await runner.outcome();
  await runner.close();
  return JSON.stringify({ values });
}

test('a peer that computes the same is measured beside the others', async () => {
  const peer = await started(`{ values: () => (${await rightValues()}) }`);
  expect(peer.version).toBe('1.2.3');
  const { series } = await measured(peer);
  expect(series[1]).toMatchObject({ contestant: 'a peer', agrees: true, samples: [1000, 1000, 1000] });
  expect(told).toEqual([]);
});

test('one that computes something else is marked', async () => {
  const { values } = JSON.parse(await rightValues()) as { values: number[] };
  values[5] *= 1.0001;
  const { series } = await measured(await started(`{ values: () => (${JSON.stringify({ values })}) }`));
  expect(series[1].agrees).toBe(false);
});

test('one that takes no part in a case says why', async () => {
  const { series } = await measured(await started(`{ open: ({ rule }) => ({ no: 'it has no ' + rule.name }) }`));
  expect(series.map(({ contestant }) => contestant)).toEqual(['JavaScript']);
  expect(told).toEqual(['a peer: mlp float32 momentum, 1 thread: it has no momentum']);
});

test('one that ends half way, or fails, is left out from then on in one line; the others go on', async () => {
  // Checked once, warmed up four times, then a step that is not timed and a sample.
  const dying = await started(
    `{ time: ({ steps }) => (globalThis.asked = (globalThis.asked ?? 0) + 1) > 7 ? process.exit(7) : { nanoseconds: steps } }`,
  );
  const { series } = await measured(dying);
  expect(series[0].samples).not.toContain(null);
  expect(series[1].samples).toEqual([1, null, null]);
  expect(told).toEqual(['a peer is left out of mlp from here on: it ended with code 7']);
  told.length = 0;
  await measured(await started(`{ values: () => ({ error: 'TypeError: oh' }) }`));
  expect(told).toEqual(['a peer is left out of mlp from here on: TypeError: oh']);
});

test('one that does not answer is ended', async () => {
  const { series } = await measured(await started(`{ values: () => { for (;;); } }`));
  expect(series.map(({ contestant, agrees }) => [contestant, agrees])).toEqual([['JavaScript', true]]);
  expect(told).toEqual(['a peer is left out of mlp from here on: no answer within 2 s']);
});

test('each group of cases finds a new process', async () => {
  const once = await started(
    `{ open: () => ({ ...((globalThis.opened = (globalThis.opened ?? 0) + 1) > 1 && { no: 'used' }) }) }`,
  );
  for (let group = 0; group < 2; group++) expect((await measured(once)).series).toHaveLength(2);
  expect(told).toEqual([]);
});

test('one may run on all processors, although the benchmarks are bound to one by then', () => {
  const command = { name: 'a peer', command: 'python', arguments: ['peer.py'] };
  expect(onProcessors(command, [0, 3])).toEqual({
    name: 'a peer',
    command: 'taskset',
    arguments: ['-c', '0,3', 'python', 'peer.py'],
  });
  expect(onProcessors(command, [])).toBe(command);
});

test('one that is missing, or lacks a module, is told in one line', async () => {
  const missing = await startPeer({ name: 'a peer', command: join(folder, 'none'), arguments: [] }, () => undefined);
  expect(missing).toMatch(/ENOENT/);
  expect(await startPeer({ name: 'a peer', command: '', arguments: [] }, () => undefined)).toBe(
    'METAL_SGD_BENCH_PYTHON names no Python',
  );
  expect(await peerWith(`require('no-such-module')`)).toMatch(
    /^it ended with code 1: Error: Cannot find module 'no-such-module'/,
  );
});

test('a program ends when nobody asks any more', async () => {
  const program = await Program.start(process.execPath, [
    '-e',
    'process.stdin.on("data", (text) => console.log(String(text).trim()))',
  ]);
  expect(await program.ask('hello')).toBe('hello');
  await program.end();
  await expect(program.ask('again')).rejects.toThrow('it ended with code 0');
});
