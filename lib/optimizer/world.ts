// A job of several processes, each with a part of every batch. MPI carries bytes; sums are ours, in the order of ranks.
import { availableParallelism, cpus } from 'node:os';
import { threadsAsked } from '../addon/environment';
import { constants, type Joined, native } from '../addon/native';
import { threads } from '../builtins';
import { calledFromAsync, type PublicFunction, publicFunctionsOf } from '../caller';
import { checkKeys, coded, rangeError } from '../errors';
import { meanOverRanks } from './rankMean';
import { findLaunch, howToInstall, type Launch, librariesFor } from '../distributed/launcher';
import type { GradientMean } from '../gradients/mean';
import { leafReader } from '../tree/leaf';
import { leavesOf, readTree } from '../tree/tree';
import type { Tree, WithDtype } from '../tree/types';
import { Talk } from '../distributed/talk';
import { within } from '../distributed/within';
import { checkShared } from './trees';

/** Options of `joinWorld`. */
export interface WorldOptions {
  /** Milliseconds that one exchange waits for other processes at most. Default 300,000. */
  timeout?: number | undefined;
  /** Bytes that go round at once. Default 32 MiB. */
  allReduceSize?: number | undefined;
}

/** What a job of one process says. */
const ALONE: Launch = { family: 'Open MPI', rank: 0, size: 1, localRank: 0, localSize: 1 };

const LARGEST = 2 ** 30;

function checkCount(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw rangeError('invalid-option', name, `a whole number from ${String(least)} to ${String(most)}`, value);
}

let world: Promise<World> | undefined;

/**
 * Joins the processes that `mpirun` or another launcher has started. Without a launcher the world has one process, and no MPI
 * is touched.
 *
 * @returns The same world at each call.
 * @throws Error with code `no-mpi` if there is no library; `launcher-mismatch` if it is not the launcher's;
 *   `world-mismatch` if processes have other versions or options; `world-state` in worker threads and in child processes of a
 *   rank; RangeError (code `invalid-option`).
 */
export async function joinWorld(options: WorldOptions = {}): Promise<World> {
  return calledFromAsync(joinWorld as PublicFunction, () => {
    const given = checkKeys('options', options, ['timeout', 'allReduceSize']);
    const timeout = checkCount('timeout', given.timeout ?? 300_000, 1, 2 ** 31 - 1);
    const allReduceSize = checkCount('allReduceSize', given.allReduceSize ?? 2 ** 25, 64, LARGEST);
    if (!threads().isMainThread)
      throw coded(Error, 'world-state', 'joinWorld: call it on the main thread, not in a worker');
    world ??= join({ timeout, allReduceSize }).catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 'no-mpi') world = undefined; // else MPI has begun, once for all
      throw error;
    });
    return world;
  });
}

async function join(options: { readonly timeout: number; readonly allReduceSize: number }): Promise<World> {
  const launch = findLaunch(process.env);
  if (!launch || launch.size === 1) return new World(launch ?? ALONE, undefined, new Talk(ALONE, options));
  refuseInherited();
  const { family } = launch;
  const { timeout } = options;
  let joined: Joined | undefined;
  try {
    // MPI's own start waits for all processes for ever.
    joined = await within(timeout, native().worldJoin(librariesFor(family, process.platform, process.env)));
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    if (code !== 'no-mpi') throw error;
    throw coded(Error, 'no-mpi', `joinWorld: ${howToInstall(family)}: ${message}`);
  }
  if (!joined) {
    const text = `other processes of the job did not join within ${String(timeout / 1000)} s; end this process`;
    throw coded(Error, 'world-timeout', `joinWorld: ${text}`);
  }
  if (joined.size !== launch.size || joined.rank !== launch.rank) throw mismatch(launch, joined);
  process.env[MARK] = String(process.pid);
  const talk = new Talk(launch, options);
  await talk.agree('joinWorld', [
    `metal-sgd ${constants().version}`,
    `timeout ${String(options.timeout)}`,
    `allReduceSize ${String(options.allReduceSize)}`,
  ]);
  shareCores(launch);
  return new World(launch, joined.library.replace(/\s+/g, ' '), talk);
}

/** Processes of one machine share its cores, unless the launcher has bound each to its own. */
function shareCores({ localSize }: Launch): void {
  if (threadsAsked() !== undefined || availableParallelism() < cpus().length) return;
  native().setThreads(Math.max(1, Math.floor(native().machine().threads / localSize)));
}

const MARK = 'METAL_SGD_WORLD_PID';

/** A child process has the launcher's variables too, and would join as the same rank. */
function refuseInherited(): void {
  const owner = process.env[MARK];
  if (owner === undefined || owner === String(process.pid)) return;
  const text = `process ${owner} has joined as this rank: start child processes without the launcher's variables`;
  throw coded(Error, 'world-state', `joinWorld: ${text}`);
}

function mismatch({ family, rank, size }: Launch, joined: Joined): Error {
  const started = `the launcher is one of ${family} and says rank ${String(rank)} of ${String(size)}`;
  const loaded = `${joined.library} says rank ${String(joined.rank)} of ${String(joined.size)}`;
  const text = `${started}, but ${loaded}: start with the library's own mpirun, or name the launcher's library in METAL_SGD_MPI`;
  return coded(Error, 'launcher-mismatch', `joinWorld: ${text}`);
}

/** The processes of a job. All of them call the same methods in the same order, and await each before the next. */
export class World {
  /** Number of this process, from 0. */
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
  /** The same among the processes of this machine. */
  readonly localRank: number;
  readonly localSize: number;
  /** The MPI library; `undefined` in a world of one. */
  readonly library: string | undefined;
  readonly #talk: Talk;

  /** @internal */
  constructor({ rank, size, localRank, localSize }: Launch, library: string | undefined, talk: Talk) {
    this.rank = rank;
    this.size = size;
    this.localRank = localRank;
    this.localSize = localSize;
    this.library = library;
    this.#talk = talk;
  }

  /** @internal */
  static talkOf(world: World): Talk {
    return world.#talk;
  }

  /**
   * Writes rank 0's arrays to those of all ranks.
   *
   * @param tree Leaves in shared memory, as `zeros` makes; the same names, shapes and dtypes on all ranks.
   * @throws Code `world-mismatch` if trees differ, on all ranks; then nothing is written. `world-timeout`, `world-failed`.
   */
  async broadcast<P>(tree: P & Tree<P>): Promise<void> {
    return calledFromAsync(entryOf('broadcast'), () => {
      const leaves = leavesOf(readTree(tree, 'tree', leafReader));
      leaves.forEach(checkShared);
      return this.#talk.exclusive('broadcast', () => this.#talk.broadcast(leaves));
    });
  }

  /**
   * The mean over all ranks: `((g0 + g1) + ...) / size`, in the order of ranks, with the bits of `meanOf` on one process.
   *
   * @param gradients A tree, or several by `meanOf`, whose sum is taken first. They belong to the exchange until the promise
   *   settles; those in ordinary memory are copied before this returns.
   * @returns A tree of new tensors in float32 (float64 for float64).
   * @throws As `broadcast`.
   */
  async averageGradients<P>(gradients: (P & Tree<P>) | GradientMean<P>): Promise<WithDtype<P, 'float32' | 'float64'>> {
    return calledFromAsync(entryOf('averageGradients'), () =>
      this.#talk.exclusive('averageGradients', () => meanOverRanks(gradients, this.#talk)),
    ) as Promise<WithDtype<P, 'float32' | 'float64'>>;
  }

  /** Waits until all ranks are here. */
  async barrier(): Promise<void> {
    return calledFromAsync(entryOf('barrier'), () =>
      this.#talk.exclusive('barrier', () => this.#talk.agree('barrier', [])),
    );
  }

  /** Waits for all ranks, and ends MPI. Nothing of the world can be called afterwards. */
  async leave(): Promise<void> {
    return calledFromAsync(entryOf('leave'), () => this.#talk.exclusive('leave', () => this.#talk.leave()));
  }
}

const entryOf = publicFunctionsOf(World.prototype);
