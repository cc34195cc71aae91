// Other packages, each in a process of its own that speaks lines of JSON (bench/peers/PROTOCOL.md).
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, Contestant, Outcome, Runner } from '../contestant';
import { messageOf } from '../errors';
import { ROOT } from '../internals';
import { Program } from '../program';

export interface PeerCommand {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
}

/** Milliseconds in which threads that spin for more work, such as OpenMP's, go to sleep: the next one is to have the cores. */
const REST = 5;
/** Milliseconds to wait for an answer. */
const PATIENCE = 120_000;

const FOLDER = join(ROOT, 'bench', 'peers');

const inNode = (name: string, script: string, ...flavour: string[]): PeerCommand => ({
  name,
  command: process.execPath,
  arguments: ['--expose-gc', join(FOLDER, script), ...flavour],
});

const inPython = (name: string, script: string, flavour: string): PeerCommand => ({
  name,
  command: process.env['METAL_SGD_BENCH_PYTHON'] ?? '',
  arguments: ['-B', join(FOLDER, script), flavour], // no compiled files beside the sources
});

/** All that are known; those in Python have no command where no Python is named. */
export const PEERS: readonly PeerCommand[] = [
  inNode('TensorFlow.js wasm', 'tensorflow.mjs', 'wasm'),
  inNode('TensorFlow.js cpu', 'tensorflow.mjs', 'cpu'),
  inNode('jax-js', 'jax.mjs'),
  inPython('PyTorch fused', 'torch_peer.py', 'fused'),
  inPython('PyTorch foreach', 'torch_peer.py', 'foreach'),
  inPython('PyTorch single', 'torch_peer.py', 'single'),
  inPython('MLX compiled', 'mlx_peer.py', 'compiled'),
  inPython('MLX default', 'mlx_peer.py', 'default'),
];

/** Installs the packages for Node, unless that has been done. One line where it failed. */
export function installPeers(complain: (line: string) => void): void {
  const [lock, installed] = ['package-lock.json', join('node_modules', '.package-lock.json')].map((file) =>
    join(FOLDER, file),
  );
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: FOLDER, encoding: 'utf8' });
  if (error ?? status !== 0) {
    const reason = error?.message ?? stderr.split('\n').find((line) => line.includes('error'));
    complain(`npm ci in bench/peers failed, the others may be there: ${reason ?? ''}`);
  }
}

/** The command with these processors to run on, whichever this process is bound to by then. */
export function onProcessors(given: PeerCommand, processors: readonly number[]): PeerCommand {
  if (processors.length === 0 || given.command === '') return given;
  return { ...given, command: 'taskset', arguments: ['-c', processors.join(), given.command, ...given.arguments] };
}

/** A peer that runs and has what it needs, or the reason why not. */
export async function startPeer(
  command: PeerCommand,
  complain: (line: string) => void,
  patience = PATIENCE,
): Promise<Peer | string> {
  if (command.command === '') return 'METAL_SGD_BENCH_PYTHON names no Python';
  try {
    const program = await Program.start(command.command, command.arguments, FOLDER);
    const { version } = JSON.parse(await program.ask('{"do":"hello"}', patience)) as { version: string };
    await program.end();
    return new Peer(command, version, complain, patience);
  } catch (error) {
    return messageOf(error);
  }
}

/** Has a process while it has cases, so that the next ones find no leftovers of its memory. */
export class Peer implements Contestant {
  readonly name: string;
  /** Of the package. */
  readonly version: string;
  readonly #command: PeerCommand;
  readonly #complain: (line: string) => void;
  readonly #patience: number;
  #program: Program | undefined;
  #cases = 0;
  #next = 0;

  constructor(command: PeerCommand, version: string, complain: (line: string) => void, patience: number) {
    this.name = command.name;
    this.version = version;
    this.#command = command;
    this.#complain = complain;
    this.#patience = patience;
  }

  async open({ model, dtype, rule, threads }: Case): Promise<Runner | string> {
    this.#program ??= await Program.start(this.#command.command, this.#command.arguments, FOLDER);
    this.#cases++;
    const slot = this.#next++;
    const runner = new PeerRunner(this.#program, slot, this.#patience, (reason) => {
      this.#complain(`${this.name} is left out of ${model.name} from here on: ${reason}`);
    });
    const opened = await runner.ask<{ no?: string }>({ do: 'open', dtype, rule, threads, shapes: model.shapes });
    const close = async (): Promise<void> => {
      await runner.ask({ do: 'close' });
      if (--this.#cases === 0) await this.close();
    };
    if (opened && opened.no === undefined) return Object.assign(runner, { close });
    await close();
    return opened?.no ?? 'it has failed';
  }

  async close(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.end();
  }
}

/** From its first failure on, which is told in a line, it does nothing. */
class PeerRunner {
  readonly #program: Program;
  readonly #slot: number;
  readonly #patience: number;
  readonly #tell: (reason: string) => void;
  #hasFailed = false;

  constructor(program: Program, slot: number, patience: number, tell: (reason: string) => void) {
    this.#program = program;
    this.#slot = slot;
    this.#patience = patience;
    this.#tell = tell;
  }

  async time(steps: number): Promise<number | null> {
    const answer = await this.ask<{ nanoseconds: number }>({ do: 'time', steps });
    await sleep(REST);
    return answer?.nanoseconds ?? null;
  }

  async outcome(): Promise<Outcome> {
    return { values: (await this.ask<{ values: number[] }>({ do: 'values' }))?.values ?? [] };
  }

  /** Undefined if it has failed. */
  async ask<T>(request: object): Promise<T | undefined> {
    if (this.#hasFailed) return undefined;
    try {
      const line = JSON.stringify({ ...request, slot: this.#slot });
      const answer = JSON.parse(await this.#program.ask(line, this.#patience)) as T & { error?: string };
      if (answer.error === undefined) return answer;
      throw new Error(answer.error);
    } catch (error) {
      this.#hasFailed = true;
      this.#tell(messageOf(error));
      return undefined;
    }
  }
}
