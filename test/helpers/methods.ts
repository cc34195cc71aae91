// The four ways to take a step, as one interface: what one of them must do, all must.
import { type Leaf, SGD, type SGDOptions } from '../../lib';
import type { LeafData } from '../../lib/tree/dtype';
import { bytesOf, expectSameBytes } from './bits';
import { dataOf } from './leaves';

export type Method = 'applySingle' | 'applyGradients' | 'update' | 'updateAsync';

export const METHODS: readonly Method[] = ['applySingle', 'applyGradients', 'update', 'updateAsync'];

/** One parameter on its way through several steps. */
export interface Walker {
  step(learningRate: number, gradient: Leaf): Promise<void>;
  parameter(): LeafData;
  /** Undefined where the state holds no `v`. */
  v(): LeafData | undefined;
}

type State = { v?: Leaf };

/** A walker of `method`. Those that leave the parameter alone are checked to have done so. */
export function walk(method: Method, options: SGDOptions, start: Leaf): Walker {
  const optimizer = new SGD(0, options);
  const state: State = {};
  let parameter = start;
  const take: Record<Method, (gradient: Leaf) => unknown> = {
    applySingle: (gradient) => {
      parameter = leavesAlone(parameter, () => optimizer.applySingle(gradient, parameter, state));
    },
    applyGradients: (gradient) => {
      parameter = leavesAlone(parameter, () => {
        const [next] = optimizer.applyGradients<Leaf[]>([gradient] as never, [parameter]);
        return next;
      });
    },
    update: (gradient) => {
      optimizer.update([parameter], [gradient]);
    },
    updateAsync: (gradient) => optimizer.updateAsync([parameter], [gradient]),
  };
  return {
    step: async (learningRate, gradient) => {
      optimizer.learningRate = learningRate;
      const before = bytesOf(dataOf(gradient)).slice();
      await take[method](gradient);
      expectSameBytes(dataOf(gradient), before, 'the gradient');
    },
    parameter: () => dataOf(parameter),
    v: () => {
      const { v } = method === 'applySingle' ? state : (optimizer.state.parameters as State[])[0];
      return v && dataOf(v);
    },
  };
}

function leavesAlone(parameter: Leaf, step: () => Leaf): Leaf {
  const before = bytesOf(dataOf(parameter)).slice();
  const next = step();
  expectSameBytes(dataOf(parameter), before, 'the old parameter');
  return next;
}
