// The GPU's baseline: the program in bench/baseline/stream.mm, which the simulator's build has and a Mac compiles.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './internals';

const SOURCES = join(ROOT, 'bench', 'baseline');
/** What the program is given. */
export const KERNEL = join(SOURCES, 'stream.metal');

const FLAGS = ['-std=c++17', '-O2', '-fno-objc-arc', '-I', join(ROOT, 'native', 'metal')];
// Without CoreGraphics Metal has no default device.
const FRAMEWORKS = ['Metal', 'Foundation', 'CoreGraphics'].flatMap((name) => ['-framework', name]);

/**
 * The program, ready to be started.
 * @param simulator The folder of the simulator's build, if the GPU is simulated.
 * @throws Error in one line if there is none.
 */
export function streamProgram(simulator: string | undefined): string {
  if (simulator === undefined) return compiled();
  const program = join(simulator, 'gpu-stream');
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run sim builds it`);
  return program;
}

function compiled(): string {
  const folder = join(ROOT, 'bench', 'build');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'gpu-stream');
  const compiler = process.env['CXX'] ?? 'clang++';
  const fresh = `${program}.${String(process.pid)}`; // another run may use what is there
  const compile = [...FLAGS, join(SOURCES, 'stream.mm'), ...FRAMEWORKS, '-o', fresh];
  const { status, stderr, error } = spawnSync(compiler, compile, { encoding: 'utf8' });
  if (!error && status === 0) {
    renameSync(fresh, program);
    return program;
  }
  const reason = error ? error.message : (stderr.split('\n').find((line) => line.includes('error')) ?? 'it failed');
  throw new Error(`${compiler}: ${reason}`);
}
