// Two ways to step the same arrays, in turn: what both suffer cancels out.
import type { SGD, Tensor } from 'metal-sgd';

/** Optimizers that differ in what is measured. */
export interface Pair {
  readonly bare: SGD;
  readonly featured: SGD;
}

/** Nanoseconds of both. */
export type Times = Readonly<Record<keyof Pair, number>>;

export interface Stepped {
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
}

/** Nanoseconds that so many steps take together. */
export function timeSteps(optimizer: SGD, { parameters, gradients }: Stepped, steps: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < steps; i++) optimizer.update(parameters, gradients);
  return Number(process.hrtime.bigint() - start);
}

/** Times of all pairs in each round; the two of a pair take turns in going first. */
export function timesInTurn(
  pairs: readonly Pair[],
  trees: Stepped,
  { rounds, steps }: { rounds: number; steps: number },
  signal: AbortSignal,
): Times[] {
  const times: Times[] = [];
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    for (const { bare, featured } of pairs) {
      const before = round % 2 === 0 ? timeSteps(bare, trees, steps) : undefined;
      const own = timeSteps(featured, trees, steps);
      times.push({ bare: before ?? timeSteps(bare, trees, steps), featured: own });
    }
  }
  return times;
}
