// A straight line through times: what a step costs by itself, and for each element or leaf.

export interface Line {
  readonly fixed: number;
  readonly each: number;
}

export interface Point {
  readonly count: number;
  readonly time: number;
}

/** Least squares of relative errors, so that the long times don't decide about the fixed part. Of two counts at least. */
export function fitLine(points: readonly Point[]): Line {
  let [weights, counts, squares, times, products] = [0, 0, 0, 0, 0];
  for (const { count, time } of points) {
    const weight = 1 / time ** 2;
    weights += weight;
    counts += weight * count;
    squares += weight * count ** 2;
    times += weight * time;
    products += weight * count * time;
  }
  const each = (weights * products - counts * times) / (weights * squares - counts ** 2);
  return { fixed: (times - each * counts) / weights, each };
}
