// Other packages, each in a process of its own that speaks lines of JSON (bench/peers/PROTOCOL.md).
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, Contestant, Runner } from '../contestant';
import { ROOT } from '../internals';
import { Program } from '../program';

export interface PeerCommand {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
}

/** Milliseconds in which threads that spin for more work, such as OpenMP's, go to sleep: the next one is to have the cores. */
const REST = 5;

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

/** A peer that runs and has what it needs, or the reason why not. */
export async function startPeer(
  { name, command, arguments: given }: PeerCommand,
  complain: (line: string) => void,
): Promise<Peer | string> {
  if (command === '') return 'METAL_SGD_BENCH_PYTHON names no Python';
  try {
    const program = await Program.start(command, given, FOLDER);
    const { version } = JSON.parse(await program.ask('{"do":"hello"}')) as { version: string };
    return new Peer(name, version, program, complain);
  } catch (error) {
    return messageOf(error);
  }
}

export class Peer implements Contestant {
  readonly name: string;
  /** Of the package. */
  readonly version: string;
  readonly #program: Program;
  readonly #complain: (line: string) => void;
  #hasFailed = false;
  #next = 0;

  constructor(name: string, version: string, program: Program, complain: (line: string) => void) {
    this.name = name;
    this.version = version;
    this.#program = program;
    this.#complain = complain;
  }

  async open({ work, dtype, rule, threads }: Case): Promise<Runner | string> {
    const slot = this.#next++;
    const opened = await this.#ask<{ no?: string }>({ do: 'open', slot, dtype, rule, threads, shapes: work.shapes });
    if (!opened) return 'it has failed';
    if (opened.no !== undefined) return opened.no;
    return {
      time: async (steps) => {
        const took = (await this.#ask<{ nanoseconds: number }>({ do: 'time', slot, steps }))?.nanoseconds ?? null;
        await sleep(REST);
        return took;
      },
      outcome: async () => {
        const values = (await this.#ask<{ values: number[] }>({ do: 'values', slot }))?.values;
        return { values: values ?? [] };
      },
      close: async () => {
        await this.#ask({ do: 'close', slot });
      },
    };
  }

  async close(): Promise<void> {
    await this.#program.end();
  }

  /** Undefined from its first failure on, which is told in a line. */
  async #ask<T>(request: object): Promise<T | undefined> {
    if (this.#hasFailed) return undefined;
    try {
      const answer = JSON.parse(await this.#program.ask(JSON.stringify(request))) as T & { error?: string };
      if (answer.error === undefined) return answer;
      this.#fail(answer.error);
    } catch (error) {
      this.#fail(messageOf(error));
    }
    return undefined;
  }

  #fail(reason: string): void {
    this.#hasFailed = true;
    this.#complain(`${this.name} is left out from here on: ${reason}`);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
