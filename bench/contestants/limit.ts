// The C program in bench/limit, compiled by the addon's compiler and kept running: it waits for commands on its standard
// input while others are measured.
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Case, Contestant, Outcome, Runner } from '../contestant';
import { ROOT } from '../internals';

const SOURCES = ['main.c', 'work.c', 'loops.c', 'team.c'].map((file) => join(ROOT, 'bench', 'limit', file));
const FLAGS = ['-std=c11', '-O3', '-march=native', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'];
const WIDE = '-mprefer-vector-width=512'; // as the addon's AVX-512 loops; only x86 knows it
const DTYPES = ['float32', 'float64', 'float16', 'bfloat16'];
const SLOTS = 16;

/** The program ready to be asked, or the one line that says why there is none. */
export async function startLimit(processors: readonly number[]): Promise<LimitProgram | string> {
  const compiler = compilerOfTheAddon();
  const folder = join(ROOT, 'bench', 'build');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'limit');
  const flags = process.arch === 'x64' ? [...FLAGS, WIDE] : FLAGS;
  const compile = [...flags, '-Wno-psabi', ...SOURCES, '-pthread', '-o', program];
  const { status, stderr, error } = spawnSync(compiler, compile, { encoding: 'utf8' });
  if (error ?? status !== 0) {
    const reason = error ? error.message : (stderr.split('\n').find((line) => line.includes('error')) ?? 'it failed');
    return `no C program to compare with: ${compiler}: ${reason}`;
  }
  const child = spawn(program, processors.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child, 'spawn');
  const [version] = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout.split('\n');
  return new LimitProgram(child, `${version}: ${flags.join(' ')}`);
}

/** The C compiler beside the C++ compiler in CMake's cache, if the addon was built here: g++ takes no C. */
function compilerOfTheAddon(): string {
  const cache = join(ROOT, 'build', 'CMakeCache.txt');
  const built = existsSync(cache) ? /^CMAKE_CXX_COMPILER:[A-Z]*=(.+)$/m.exec(readFileSync(cache, 'utf8')) : null;
  const [, cxx = 'c++'] = built ?? [];
  const name = basename(cxx).replace('clang++', 'clang').replace('g++', 'gcc').replace('c++', 'cc');
  const c = join(dirname(cxx), name);
  return process.env['CC'] ?? (existsSync(c) ? c : 'cc');
}

export class LimitProgram implements Contestant {
  readonly name = 'C';
  /** How it was compiled. */
  readonly build: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot);

  constructor(child: ChildProcessByStdio<Writable, Readable, null>, build: string) {
    this.#child = child;
    this.build = build;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async open({ work, dtype, rule, threads }: Case): Promise<Runner> {
    const slot = this.#free.shift();
    if (slot === undefined) throw new Error('more cases at once than the C program has room for');
    const { learningRate, momentum, weightDecay, dampening, nesterov } = rule;
    const numbers = [learningRate, momentum, weightDecay, dampening, Number(nesterov), ...work.counts];
    const answer = await this.#ask('open', slot, DTYPES.indexOf(dtype), ...numbers);
    if (answer !== 'ok') throw new Error(`the C program: ${answer}`);
    return {
      time: async (steps) => Number(await this.#ask('time', slot, threads, steps)),
      outcome: async () => outcomeOf(await this.#ask('fingerprint', slot)),
      close: async () => {
        await this.#ask('close', slot);
        this.#free.push(slot);
      },
    };
  }

  async close(): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await ended;
  }

  async #ask(command: string, ...numbers: readonly number[]): Promise<string> {
    this.#child.stdin.write(`${command} ${numbers.join(' ')}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error('the C program ended before its time');
    return answer.value;
  }
}

function outcomeOf(answer: string): Outcome {
  const [parameters, velocities] = answer.split(' ').map(Number);
  return { hashes: [parameters, velocities] };
}
