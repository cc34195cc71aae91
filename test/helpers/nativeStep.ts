// Steps of the addon itself with all that one can have, chosen by a seed: the same on every device.
import { constants, native, type PreparedTree } from '../../lib/addon/native';
import { type Column, type Outcome, type Target } from '../../lib/addon/names';
import { allocate, type Arena, arenaOf, leafIndex } from '../../lib/memory/arena';
import { type Dtype, type LeafData, viewOf } from '../../lib/tree/dtype';
import { firstDifference } from './bits';
import { fillRandom, randomWords } from './random';

/** What a step works on. */
export interface Plan {
  readonly dtype: Dtype;
  /** Elements of each leaf. */
  readonly sizes: readonly number[];
  readonly gradients: readonly Dtype[];
  readonly velocity?: boolean;
  readonly master?: boolean;
  readonly average?: boolean;
  /** What the step makes instead of going on with it. */
  readonly first?: readonly ('velocity' | 'average')[];
  /** The group of each leaf. */
  readonly groups?: readonly number[];
  /** Whole leaves of arenas, leaves that begin some elements further on, or other memory. */
  readonly memory?: 'arena' | 'shifted' | 'heap';
  /** True: steps may measure their gradients. */
  readonly measures?: boolean;
}

/** Values of settings: for all groups, or in a list for one after another. */
export type Settings = Partial<Record<Column, number | readonly number[]>>;

const DEFAULTS: Settings = {
  learningRate: 0.1,
  flushSubnormals: 1,
  divisor: 1,
  gradientScale: 1,
  emaDecay: 0.9,
  maxNorm: NaN,
};

/** What a step finds out about its gradients. */
const FOUND = ['verdict', 'gradientNorm', 'gradientMax'] as const;

interface Stream {
  readonly dtype: Dtype;
  readonly leaves: readonly LeafData[];
  readonly arena: Arena | undefined;
}

const SHIFT = 3;

/** `lead` elements of the arena lie before the leaves, so that streams reach the ends of buffers at different elements. */
function streamOf(dtype: Dtype, { sizes, memory = 'arena' }: Plan, lead: number): Stream {
  if (memory === 'heap') {
    const item = dtype === 'float32' ? 4 : 2;
    const leaves = sizes.map((size) => viewOf(dtype, new ArrayBuffer((size + SHIFT) * item), SHIFT * item, size));
    return { dtype, leaves, arena: undefined };
  }
  const shift = memory === 'shifted' ? SHIFT : 0;
  const [, ...leaves] = allocate(
    [lead, ...sizes.map((size) => size + shift)].map((size) => ({ dtype, shape: [size] })),
  );
  return { dtype, leaves: leaves.map((leaf) => leaf.subarray(shift)), arena: arenaOf(leaves[0].buffer) };
}

/** The columns of a leaf: its roles in the addon's order, then its gradients. */
function dtypesOf({ dtype, gradients, velocity, master, average }: Plan): (Dtype | null)[] {
  const roles = {
    parameter: dtype,
    velocity: velocity ? (master ? 'float32' : dtype) : null,
    master: master ? 'float32' : null,
    average: average ? 'float32' : null,
  } as const;
  return [...constants().roles.map((role) => roles[role]), ...gradients];
}

/** A tree that was prepared for a device, and its arrays. */
export class NativeStep {
  readonly settings: Float64Array;
  readonly #streams: readonly (Stream | null)[];
  readonly #tree: PreparedTree;

  constructor(plan: Plan, settings: Settings, target: Target, seed: number, hostile = false) {
    const groups = Uint8Array.from(plan.groups ?? plan.sizes.map(() => 0));
    this.#streams = dtypesOf(plan).map((dtype, i) => (dtype === null ? null : streamOf(dtype, plan, 64 * (i % 3))));
    this.settings = rowsOf(settings, Math.max(0, ...groups) + 1);
    this.#streams.forEach((stream, i) => {
      stream?.leaves.forEach((leaf, k) => {
        fillRandom(stream.dtype, leaf, seed * 1000 + i * 50 + k, hostile);
      });
    });
    this.#tree = native().prepareStep({ ...this.#leaves(plan), groups, target: constants().targets.indexOf(target) });
  }

  #leaves({
    sizes,
    first = [],
    measures = false,
  }: Plan): Omit<Parameters<ReturnType<typeof native>['prepareStep']>[0], 'groups' | 'target'> {
    const { dtypes, roles } = constants();
    const streams = this.#streams;
    const arenas = [...new Set(streams.flatMap((stream) => stream?.arena ?? []))];
    const place = (stream: Stream | null, i: number): number[] => {
      if (!stream?.arena) return [-1, -1];
      const { byteOffset, byteLength } = stream.leaves[i];
      return [arenas.indexOf(stream.arena), leafIndex(stream.arena, byteOffset, byteLength)];
    };
    const each = <T>(pick: (stream: Stream | null, i: number) => T): T[] =>
      sizes.flatMap((_, i) => streams.map((stream) => pick(stream, i)));
    const bits = first.reduce((sum, role) => sum | (1 << roles.indexOf(role)), 0);
    return {
      arrays: each((stream, i) => stream?.leaves[i] ?? null),
      width: streams.length,
      dtypes: Uint8Array.from(each((stream) => dtypes.indexOf(stream?.dtype ?? 'float32'))),
      places: Int32Array.from(each(place).flat()),
      first: new Uint8Array(sizes.length).fill(bits),
      settings: this.settings,
      choices: native().newChoices(),
      measures,
      arenas,
    };
  }

  /** Steps once, and says where. */
  run(): Outcome {
    native().step(this.#tree);
    return constants().outcomes[this.settings[constants().settings.indexOf('outcome')]];
  }

  release(): void {
    native().release(this.#tree);
  }

  /** Somebody writes one of the parameters. */
  writeParameter(): void {
    const [parameters] = this.#streams;
    if (parameters) parameters.leaves[0][0] = parameters.dtype === 'float32' ? 0.25 : 0x3400;
  }

  #found(name: (typeof FOUND)[number]): number {
    return this.settings[constants().settings.indexOf(name)];
  }

  /** Where the two differ in a bit, in words; undefined if nowhere. */
  differenceFrom(other: NativeStep): string | undefined {
    const found = FOUND.find((name) => !Object.is(this.#found(name), other.#found(name)));
    if (found) return `${found}: ${String(this.#found(found))} and ${String(other.#found(found))}`;
    for (const [i, stream] of this.#streams.entries()) {
      for (const [k, leaf] of stream?.leaves.entries() ?? []) {
        const theirs = other.#streams[i]?.leaves[k];
        const at = stream && theirs ? firstDifference(stream.dtype, leaf, theirs) : -1;
        if (at >= 0) return `column ${String(i)}, leaf ${String(k)}, element ${String(at)}`;
      }
    }
    return undefined;
  }
}

function rowsOf(settings: Settings, rows: number): Float64Array {
  const columns = constants().settings;
  const filled = new Float64Array(columns.length * rows);
  for (const [name, value] of Object.entries({ ...DEFAULTS, ...settings })) {
    for (let row = 0; row < rows; row++) {
      const one = typeof value === 'number' ? value : value[row % value.length];
      filled[row * columns.length + columns.indexOf(name as Column)] = one;
    }
  }
  return filled;
}

const WORDS = ['float16', 'bfloat16'] as const;

/** A plan and its settings: any combination that the package can ask for. */
export function randomStep(seed: number): { plan: Plan; settings: Settings } {
  const word = randomWords(seed);
  const below = (end: number): number => word() % end;
  const pick = <T>(...list: readonly T[]): T => list[below(list.length)];
  const chance = (percent: number): boolean => below(100) < percent;
  const dtype = pick('float32', ...WORDS);
  const isNarrow = dtype !== 'float32';
  const count = pick(1, 1, 1, 2, 3, 4, 16, 17, 33);
  // Of one whole number of 256 bytes in each stream: leaves that one span can hold.
  const sizes = Array.from({ length: 1 + below(5) }, () => 128 * (1 + below(chance(20) ? 40 : 3)) - below(64));
  const other = (): Dtype => (isNarrow ? 'float32' : pick(...WORDS));
  const velocity = chance(60);
  const momentum = velocity && chance(80);
  const plan: Plan = {
    dtype,
    sizes: chance(20) ? sizes.map((size) => 1 + (size % 61)) : sizes,
    gradients: Array.from({ length: count }, () => (chance(60) ? dtype : other())),
    velocity,
    master: isNarrow && chance(40),
    average: chance(40),
    first: (['velocity', 'average'] as const).filter(() => chance(30)),
    groups: sizes.map(() => pick(0, 0, 1, 2)),
    memory: pick('arena', 'arena', 'shifted', 'heap'),
    measures: chance(50),
  };
  const dampened = chance(40);
  const settings: Settings = {
    learningRate: [0.1, 0.5, 0.49999997],
    momentum: momentum ? [0.9, 0.5, 0.95] : 0,
    weightDecay: [pick(0, 0.01), 0, 1e-4],
    dampening: dampened ? 0.3 : 0,
    nesterov: momentum && !dampened ? [1, 0] : 0,
    maximize: pick<number | readonly number[]>(0, [0, 1], 1),
    divisor: pick(1, 1, count, count * 2, count * 3, 7),
    gradientScale: pick(1, 1, 0.37),
    clipValue: pick(0, 0, 0.5),
    emaDecay: pick(0.5, 0.999),
    maxNorm: plan.measures ? pick(NaN, 1, 300, 1e30) : NaN,
    nonFinite: plan.measures ? pick(0, 1, 2) : 0,
  };
  return { plan, settings };
}
