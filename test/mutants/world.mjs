// Bugs among several processes. scripts/test/mutants.mjs explains the fields.
const world = 'test/distributed/world.test.ts';
const faults = 'test/distributed/faults.test.ts';

/** @type {import('../../scripts/test/mutants/data.mjs').Mutant[]} */
export default [
  {
    name: 'world-child-joins',
    why: 'A child process joins as the rank that started it.',
    file: 'lib/optimizer/world.ts',
    find: 'if (owner === undefined || owner === String(process.pid)) return;',
    replace: 'if (owner !== undefined) return;',
    caughtBy: faults,
  },
  {
    name: 'world-difference-unseen',
    why: 'Ranks exchange what differs.',
    file: 'lib/distributed/talk.ts',
    find: 'if (all.every((one) => Buffer.compare(one, all[0]) === 0)) return;',
    replace: 'if (all.length > 0) return;',
    caughtBy: faults,
  },
  {
    name: 'world-divides-once-for-all',
    why: 'The mean forgets that each rank has several gradients.',
    file: 'lib/optimizer/rankMean.ts',
    find: 'divisor: size * trees.length',
    replace: 'divisor: size',
    caughtBy: world,
  },
  {
    name: 'world-divisor-forgotten',
    why: 'A step takes the sum over the ranks for their mean.',
    file: 'lib/optimizer/steps.ts',
    find: '(this.#together?.world.size ?? 1)',
    replace: '1',
    caughtBy: world,
  },
  {
    name: 'world-launcher-unchecked',
    why: 'Under a launcher of another family each rank trains alone.',
    file: 'lib/optimizer/world.ts',
    find: 'if (joined.size !== launch.size || joined.rank !== launch.rank) throw mismatch(launch, joined);',
    replace: 'if (joined.size > 99) throw mismatch(launch, joined);',
    caughtBy: faults,
  },
  {
    name: 'world-order-by-arrival',
    why: 'Each rank begins the sum with its own gradients.',
    file: 'native/distributed/world.cpp',
    find: 'span.gradients.push_back({all.received.data() + rank * bytes, dtype});',
    replace:
      'span.gradients.push_back({all.received.data() + (all.joined.rank + rank) % all.joined.size * bytes, dtype});',
    caughtBy: world,
  },
  {
    name: 'world-other-ranks-write',
    why: 'All ranks write the file.',
    file: 'lib/optimizer/together.ts',
    find: 'this.world.rank === 0 ?',
    replace: 'this.world.rank >= 0 ?',
    caughtBy: faults,
  },
  {
    name: 'world-sums-kept-after-failure',
    why: 'The gradients of a step that failed are added to the next one.',
    file: 'lib/optimizer/steps.ts',
    find: 'if (this.#together) this.#state.accumulated.clear();',
    replace: '',
    caughtBy: faults,
  },
  {
    name: 'world-waits-for-ever',
    why: 'A rank that does not come is waited for.',
    file: 'native/distributed/world.cpp',
    find: 'if (waited > std::chrono::duration<double>(timeout))',
    replace: 'if (waited > std::chrono::hours(1) + std::chrono::duration<double>(timeout))',
    caughtBy: faults,
  },
];
