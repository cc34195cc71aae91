// Bugs in assign and zerosLike. scripts/test/mutants.mjs explains the fields.
const caughtBy = 'test/values/assign.test.ts';

/** @type {import("../../scripts/test/mutants/data.mjs").Mutant[]} */
export default [
  {
    name: 'assign-rounds-twice',
    why: 'A double goes into 16 bits by way of the nearest float32.',
    file: 'native/cpu/copies.cpp',
    find: 'if (widened == value || value != value) return nearest;',
    replace: 'if (widened == value || value != value || nearest == nearest) return nearest;',
    caughtBy,
  },
  {
    name: 'assign-rounds-odd-away',
    why: 'A double that float32 rounds up keeps the rounded bits.',
    file: 'native/cpu/copies.cpp',
    find: 'bits - (is_away ? 1u : 0u)',
    replace: 'bits - (is_away ? 0u : 0u)',
    caughtBy,
  },
  {
    name: 'assign-nan-becomes-infinity',
    why: 'A NaN with a short payload becomes an infinity of bfloat16.',
    file: 'native/cpu/copies.cpp',
    find: 'return value == value ? value : float_of_bits(',
    replace: 'return value == value || value != value ? value : float_of_bits(',
    caughtBy,
  },
  {
    name: 'assign-first-piece-alone',
    why: 'Of a large leaf, each piece gets the first elements of the source.',
    file: 'native/cpu/copies.cpp',
    find: 'whole.from.from(first),',
    replace: 'whole.from.from(first - first),',
    caughtBy,
  },
  {
    name: 'assign-overlap-unchecked',
    why: 'A leaf is written from memory that another leaf overwrites.',
    file: 'lib/memory/assign.ts',
    find: 'checkSeparate(targets, sources);',
    replace: 'checkSeparate(targets, []);',
    caughtBy,
  },
  {
    name: 'assign-ragged-numbers',
    why: 'Rows of unequal length are taken as they come.',
    file: 'lib/memory/assign.ts',
    find: 'if (value.length !== shape[axis]) {',
    replace: 'if (value.length < 0) {',
    caughtBy,
  },
  {
    name: 'assign-shape-unchecked',
    why: 'A leaf of another shape and the same length is taken.',
    file: 'lib/memory/assign.ts',
    find: 'checkAlike({ ...source, dtype: target.dtype }, target);',
    replace: 'checkAlike({ ...source, dtype: target.dtype, shape: undefined }, target);',
    caughtBy,
  },
  {
    name: 'assign-under-a-step',
    why: 'assign writes the gradients that a pending step reads.',
    file: 'lib/memory/assign.ts',
    find: "checkLeavesFree(targets, 'written');",
    replace: "checkLeavesFree(targets, 'read');",
    caughtBy: 'test/behaviour/in-use.test.ts',
  },
  {
    name: 'zeros-like-ignores-dtype',
    why: 'zerosLike keeps the dtypes of the tree whatever it is asked for.',
    file: 'lib/memory/zeros.ts',
    find: '({ dtype: known, shape: shape ?? [length], length })',
    replace: "({ dtype: known.length === 0 ? known : 'float32' as const, shape: shape ?? [length], length })",
    caughtBy,
  },
];
