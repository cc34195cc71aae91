// Any combination of what stands around the rule against the plain oracle: ten steps, parameters and all state.
import fc from 'fast-check';
import { type DeviceChoice, type LeafState, meanOf, SGD, type SGDOptions, type Tensor, zeros } from '../../lib';
import { native } from '../../lib/addon/native';
import { type Dtype, DTYPES, type LeafData } from '../../lib/tree/dtype';
import { hyperparameters, sizes } from '../helpers/arbitraries';
import { copied, expectSameBits } from '../helpers/bits';
import { deviceFor, subnormalsOn } from '../helpers/devices';
import { elementsLike } from '../helpers/leaves';
import { INSTRUCTION_SETS } from '../helpers/machine';
import { type Clipping, clippingOf } from '../helpers/norm';
import { type Hyperparameters, measuredAt, oracleStepAround, roundOf } from '../helpers/oracle';
import { fillRandom } from '../helpers/random';

const STEPS = 10;

/** How the gradients of a step arrive. */
const METHODS = ['update', 'updateAsync', 'applyGradients', 'accumulate', 'accumulate, then nothing'] as const;

const options = fc.record({
  clipValue: fc.option(fc.constantFrom(1e-3, 1, 1e30), { nil: undefined }),
  emaDecay: fc.option(fc.oneof(fc.constantFrom(0, 1, 0.99), fc.double({ min: 0, max: 1, noNaN: true })), {
    nil: undefined,
  }),
  firstStep: fc.constantFrom('mlx', 'torch'),
  masterWeights: fc.boolean(),
  maximize: fc.boolean(),
  maxNorm: fc.option(fc.constantFrom(0, 1e-3, 1, 30, 1e30, Infinity), { nil: undefined }),
  nonFinite: fc.option(fc.constantFrom('apply', 'skip', 'error'), { nil: undefined }),
  lossScale: fc.option(fc.constantFrom(8, 3, { initial: 1024, growthInterval: 2 }), { nil: undefined }),
});

const drawn = fc.record({
  own: hyperparameters,
  group: fc.option(hyperparameters, { nil: undefined }),
  options,
  leaves: fc.array(
    fc.record({
      dtype: fc.constantFrom(...DTYPES),
      length: sizes,
      isGrouped: fc.boolean(),
      /** Of each gradient: whether one of a 16-bit parameter is float32. */
      isWide: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  gradients: fc.integer({ min: 1, max: 5 }),
  scale: fc.constantFrom(undefined, 1, 0.5, -3, 1 / 3),
  method: fc.constantFrom(...METHODS),
  device: fc.constantFrom<DeviceChoice>('auto', 'cpu'),
  instructionSet: fc.constantFrom(...INSTRUCTION_SETS),
  threads: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(),
  hostile: fc.boolean(),
  /** A step with an element that is not finite. */
  spoilt: fc.integer({ min: 0, max: 12 }),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;
type DrawnLeaf = Drawn['leaves'][number];

/** What the compiler may take any tree for. */
type Plain = Record<string, Tensor<'float32'>>;

const isNarrow = (dtype: Dtype): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** What the oracle keeps of one leaf. */
interface Kept {
  readonly w: LeafData;
  v: LeafData | undefined;
  readonly master: LeafData | undefined;
  ema: LeafData | undefined;
}

/** One arena for each dtype, as a user would lay them out. */
function arenas(leaves: readonly { readonly dtype: Dtype; readonly length: number }[]): Tensor[] {
  const tensors: Tensor[] = [];
  for (const dtype of DTYPES) {
    const own = leaves.flatMap((leaf, i) => (leaf.dtype === dtype ? [i] : []));
    const made = zeros(Object.fromEntries(own.map((i) => [String(i), [leaves[i].length]])), dtype);
    for (const i of own) tensors[i] = made[String(i)];
  }
  return tensors;
}

const treeOf = (tensors: readonly Tensor[], leaves: readonly DrawnLeaf[]): Record<string, Tensor> =>
  Object.fromEntries(tensors.map((tensor, i) => [`${leaves[i].isGrouped ? 'g' : 'o'}${String(i)}`, tensor]));

class Model {
  readonly optimizer: SGD;
  readonly #drawn: Drawn;
  readonly #parameters: Tensor[];
  readonly #gradients: Tensor[][];
  readonly #kept: Kept[];
  readonly #device: DeviceChoice;
  /** Of the present step. */
  #lossScale: number | undefined;

  constructor(given: Drawn) {
    const { leaves, own, group, device, seed, hostile } = given;
    this.#drawn = given;
    this.#device = deviceFor(
      leaves.map(({ dtype }) => dtype),
      device,
    );
    this.#parameters = arenas(leaves);
    this.#gradients = Array.from({ length: given.gradients }, (_, k) =>
      arenas(
        leaves.map(({ dtype, length, isWide }) => ({
          dtype: isNarrow(dtype) && isWide[k] ? 'float32' : dtype,
          length,
        })),
      ),
    );
    this.#parameters.forEach(({ dtype, data }, i) => {
      fillRandom(dtype, data, seed + i, hostile);
    });
    const { learningRate, ...rule } = own;
    const hasGroup = group !== undefined && leaves.some(({ isGrouped }) => isGrouped);
    const masterWeights = given.options.masterWeights && leaves.some(({ dtype }) => isNarrow(dtype));
    const { clipValue, nonFinite, ...around } = given.options;
    const isAlone = around.maxNorm === undefined;
    const made: SGDOptions = {
      ...rule,
      ...around,
      clipValue: isAlone ? clipValue : undefined,
      nonFinite: around.lossScale !== undefined && nonFinite === 'apply' ? undefined : nonFinite,
      masterWeights,
      device: this.#device,
    };
    this.optimizer = new SGD(learningRate, { ...made, groups: hasGroup ? [{ parameters: /^g/, ...group }] : [] });
    this.#kept = this.#parameters.map(({ dtype, data }) => {
      const master = masterWeights && isNarrow(dtype) ? elementsLike('float32', { dtype, data }) : undefined;
      return { w: copied(data), v: undefined, master, ema: undefined };
    });
  }

  #rule(i: number): Hyperparameters {
    const { own, group, leaves } = this.#drawn;
    return group && leaves[i].isGrouped ? { ...own, ...group } : own;
  }

  async step(number: number): Promise<void> {
    const { seed, hostile, leaves } = this.#drawn;
    this.#gradients.forEach((list, k) => {
      list.forEach(({ dtype, data }, i) => {
        fillRandom(dtype, data, seed + 1000 * number + 50 * k + i, hostile);
      });
    });
    // Somebody writes to a parameter now and then.
    if (number % 4 === 3)
      for (const [i, { data }] of this.#parameters.entries()) data[0] = this.#kept[i].w[0] = data.at(-1) ?? 0;
    if (number === this.#drawn.spoilt) this.#gradients[0].at(-1)?.data.fill(Infinity);
    const parameters = treeOf(this.#parameters, leaves);
    const expected = this.#clipping();
    this.#lossScale = this.optimizer.lossScale;
    const before = [this.optimizer.step, this.optimizer.lossScale];
    const { result, error } = await this.#taken(parameters);
    const isSkipped = this.#isSkipped(expected);
    const isError = isSkipped && this.optimizer.nonFinite === 'error';
    expect(error).toBe(isError ? 'not-finite' : undefined);
    if (isError) this.optimizer.discardAccumulated();
    this.#compareRun(expected, isSkipped, before[1]);
    expect(this.optimizer.step).toBe((before[0] ?? 0) + (isSkipped ? 0 : 1));
    this.#kept.forEach((_, i) => {
      if (!isSkipped) this.#expected(i, expected);
    });
    Object.values(result).forEach((tensor, i) => {
      expectSameBits(
        tensor.dtype,
        tensor.data,
        this.#kept[i].w,
        `parameter ${String(i)} after step ${String(number + 1)}`,
      );
    });
    this.#parameters.forEach(({ data }, i) => {
      data.set(this.#kept[i].w);
    });
    if (this.optimizer.step > 0) this.#compareState(number);
    else expect(JSON.stringify(this.optimizer.state.parameters)).not.toMatch(/"(v|ema|accumulated)"/);
  }

  /** What the step has to find in its gradients. */
  #clipping(): Clipping | undefined {
    const { maxNorm, nonFinite, lossScale } = this.optimizer;
    if (maxNorm === undefined && nonFinite === 'apply') return undefined;
    const subnormals = subnormalsOn(this.#device);
    const around = { gradientScale: (this.#drawn.scale ?? 1) / (lossScale ?? 1) };
    const measured = this.#parameters.map(({ dtype, data }, i) => {
      const gradients = this.#gradients.map((list) => list[i]);
      const own = dtype === 'float64' ? 'keep' : subnormals;
      return Float64Array.from(data, (_, k) => measuredAt(dtype, { ...around, gradients }, k, own));
    });
    const isWide = (i: number): boolean => this.#parameters[i].dtype === 'float64';
    return clippingOf(
      measured.filter((_, i) => !isWide(i)),
      measured.filter((leaf, i) => isWide(i) && leaf.length > 0),
      maxNorm as number | undefined,
      roundOf('float32', subnormals),
    );
  }

  #isSkipped(found: Clipping | undefined): boolean {
    const { nonFinite } = this.optimizer;
    if (!found || nonFinite === 'apply') return false;
    return !Number.isFinite(found.largest) || (nonFinite === 'error' && !Number.isFinite(found.norm));
  }

  #compareRun(found: Clipping | undefined, isSkipped: boolean, lossScale: number | undefined): void {
    expect(this.optimizer.lastRun).toMatchObject({
      gradientNorm: found?.norm,
      gradientMax: found?.largest,
      clipped: found !== undefined && found.clips && !isSkipped,
      skipped: isSkipped,
      lossScale,
    });
  }

  /** The step's result; after an error the parameters. */
  async #taken(parameters: Record<string, Tensor>): Promise<{ result: Record<string, Tensor>; error?: string }> {
    try {
      return { result: await this.#take(parameters) };
    } catch (error) {
      return { result: parameters, error: (error as { code: string }).code };
    }
  }

  async #take(parameters: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    const { method, scale, leaves } = this.#drawn;
    const trees = this.#gradients.map((list) => treeOf(list, leaves) as Plain);
    const options = scale === undefined ? undefined : { gradientScale: scale };
    if (method === 'applyGradients')
      return this.optimizer.applyGradients(meanOf(...trees), parameters as Plain, options);
    if (method === 'updateAsync') await this.optimizer.updateAsync(parameters as Plain, meanOf(...trees), options);
    else if (method === 'update') this.optimizer.update(parameters as Plain, meanOf(...trees), options);
    else {
      const isLastApart = method === 'accumulate';
      for (const one of isLastApart ? trees.slice(0, -1) : trees) this.optimizer.accumulate(one);
      this.optimizer.update(parameters as Plain, isLastApart ? trees.at(-1) : undefined, options);
    }
    return parameters;
  }

  #expected(i: number, found: Clipping | undefined): void {
    const kept = this.#kept[i];
    const { dtype } = this.#parameters[i];
    const wide = dtype === 'float64' ? 'float64' : 'float32';
    const rule = this.#rule(i);
    const { emaDecay, firstStep, maximize } = this.#drawn.options;
    const { clipValue } = this.optimizer;
    const makesVelocity = rule.momentum > 0 && kept.v === undefined;
    if (makesVelocity) kept.v = elementsLike(kept.master ? wide : dtype, { dtype, data: copied(kept.w).fill(0) });
    const isFirst = emaDecay !== undefined && kept.ema === undefined;
    if (isFirst) kept.ema = elementsLike(wide, { dtype, data: kept.w });
    const average = emaDecay === undefined || !kept.ema ? undefined : { data: kept.ema, decay: emaDecay, isFirst };
    const around = {
      gradients: this.#gradients.map((list) => list[i]),
      gradientScale: (this.#drawn.scale ?? 1) / (this.#lossScale ?? 1),
      coefficient: found?.clips ? (dtype === 'float64' ? found.wide : found.narrow) : undefined,
      clipValue,
      maximize,
      makesVelocity: makesVelocity && firstStep === 'torch',
      master: kept.master,
      average,
    };
    oracleStepAround(dtype, rule, kept.w, kept.v, around, dtype === 'float64' ? 'keep' : subnormalsOn(this.#device));
  }

  #compareState(number: number): void {
    const { parameters } = this.optimizer.state as { parameters: Record<string, LeafState> };
    Object.values(parameters).forEach((state, i) => {
      const { dtype } = this.#parameters[i];
      const wide = dtype === 'float64' ? 'float64' : 'float32';
      const { v, master, ema } = this.#kept[i];
      const rows = [
        ['v', v, master ? wide : dtype],
        ['master', master, wide],
        ['ema', ema, wide],
        ['accumulated', undefined, wide],
      ] as const;
      for (const [part, data, own] of rows) {
        const found = state[part] as Tensor | undefined;
        expect([part, found !== undefined]).toEqual([part, data !== undefined]);
        if (found && data)
          expectSameBits(own, found.data, data, `${part} of ${String(i)} after step ${String(number + 1)}`);
      }
    });
  }
}

test('any combination steps as the oracle does', async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (given) => {
      native().chooseInstructionSet(given.instructionSet);
      native().setThreads(given.threads);
      const model = new Model(given);
      for (let step = 0; step < STEPS; step++) await model.step(step);
    }),
    { numRuns: 120 },
  );
});
