// The C program in bench/baseline, compiled by the addon's compiler and kept running.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Case, Contestant, Runner } from '../contestant';
import { ITEM_SIZES } from '../contestant';
import { ROOT } from '../internals';
import { Program } from '../program';

const SOURCES = ['main.c', 'work.c', 'loops.c', 'features.c', 'norm.c', 'team.c'].map((file) =>
  join(ROOT, 'bench', 'baseline', file),
);
const FLAGS = ['-std=c11', '-O3', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'];

/** Flags for this processor, the best first; a compiler that refuses some gets the next. */
function tunings(): readonly (readonly string[])[] {
  // As the addon's AVX-512 loops.
  if (process.arch === 'x64') return [['-march=native', '-mprefer-vector-width=512'], ['-march=native'], []];
  // Apple's clang knows -march=native on arm64 from version 15 on.
  return [[process.platform === 'darwin' ? '-mcpu=native' : '-march=native'], []];
}
const DTYPES = ['float32', 'float64', 'float16', 'bfloat16'];
const SLOTS = 16;

/** The program ready to be asked, or the one line that says why there is none. */
export async function startBaseline(processors: readonly number[]): Promise<Baseline | string> {
  const compiler = compilerOfTheAddon();
  const folder = join(ROOT, 'bench', 'build');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'baseline');
  const fresh = `${program}.${String(process.pid)}`; // another run may use what is there
  const tries = tunings().map((tuning) => [...FLAGS, ...tuning]);
  let failure = '';
  const flags = tries.find((candidate) => {
    const compile = [...candidate, '-Wno-psabi', ...SOURCES, '-pthread', '-o', fresh, '-lm'];
    const { status, stderr, error } = spawnSync(compiler, compile, { encoding: 'utf8' });
    const failed = error !== undefined || status !== 0;
    if (failed) failure = error?.message ?? stderr.split('\n').find((line) => line.includes('error')) ?? 'it failed';
    return !failed;
  });
  if (!flags) return `no C program to compare with: ${compiler}: ${failure}`;
  renameSync(fresh, program);
  const started = await Program.start(program, processors.map(String));
  const [version] = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout.split('\n');
  return new Baseline(started, `${version}: ${flags.join(' ')}`);
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

/** The machine's baseline, in two forms that one process measures. */
export class Baseline {
  /** The same update, in place. */
  readonly loop: Contestant;
  /** STREAM's triad a = b + q c, over as many bytes as the work's arrays have with momentum. */
  readonly triad: Contestant;
  /** How it was compiled. */
  readonly build: string;
  readonly #program: Program;
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot);

  constructor(program: Program, build: string) {
    this.#program = program;
    this.build = build;
    const close = (): Promise<void> => Promise.resolve(); // the process ends with `end`
    this.loop = { name: 'C', open: (given) => this.#openLoop(given), close };
    const traffic = (given: Case): number => 3 * 8 * triadCount(given);
    this.triad = { name: 'triad', open: (given) => this.#openTriad(given), traffic, close };
  }

  end(): Promise<void> {
    return this.#program.end();
  }

  #openLoop({ model, dtype, rule, threads }: Case): Promise<Runner | string> {
    const { learningRate, momentum, weightDecay, dampening, nesterov } = rule;
    const { gradients = 1, masters = false, emaDecay = 0, maxNorm = 0, nonFinite } = rule;
    const features = [gradients, Number(masters), emaDecay, maxNorm, Number(nonFinite === 'skip')];
    const numbers = [learningRate, momentum, weightDecay, dampening, Number(nesterov), ...features, ...model.counts];
    return this.#open(threads, 'open', [DTYPES.indexOf(dtype), ...numbers], async (slot) => {
      return { hashes: (await this.#ask('fingerprint', slot)).split(' ').map(Number) };
    });
  }

  #openTriad(given: Case): Promise<Runner | string> {
    return this.#open(given.threads, 'triad', [triadCount(given)], async (slot) => {
      return { isRight: (await this.#ask('right', slot)) === '1' };
    });
  }

  async #open(
    threads: number,
    command: string,
    numbers: readonly number[],
    outcomeOf: (slot: number) => ReturnType<Runner['outcome']>,
  ): Promise<Runner | string> {
    const slot = this.#free.shift();
    if (slot === undefined) return `the C program has room for ${String(SLOTS)} cases at once`;
    const answer = await this.#ask(command, slot, ...numbers);
    if (answer !== 'ok') {
      this.#free.push(slot);
      return answer;
    }
    return {
      time: async (steps) => Number(await this.#ask('time', slot, threads, steps)),
      outcome: () => outcomeOf(slot),
      close: async () => {
        await this.#ask('close', slot);
        this.#free.push(slot);
      },
    };
  }

  #ask(command: string, ...numbers: readonly number[]): Promise<string> {
    return this.#program.ask(`${command} ${numbers.join(' ')}`);
  }
}

const triadCount = ({ model, dtype }: Case): number => Math.ceil((model.total * ITEM_SIZES[dtype]) / 8);
