// Bugs in the stacks of errors. scripts/test/mutants.mjs explains the fields.
const file = 'lib/caller.ts';
const caughtBy = 'test/behaviour/caller.test.ts';

/** @type {import("../../scripts/test/mutants/data.mjs").Mutant[]} */
export default [
  {
    name: 'caller-line-below-ours',
    why: "An error begins in the package, not at the caller's line.",
    file,
    find: '|| error instanceof MetalError) Error.captureStackTrace(error as object, entry);',
    replace: '|| error instanceof MetalError) void entry;',
    caughtBy,
  },
  {
    name: 'caller-cuts-foreign-stack',
    why: "The error of a user's schedule loses its own stack.",
    file,
    find: 'if (isOurs(error) || error instanceof MetalError)',
    replace: 'if (isOurs(error) || error instanceof MetalError || types.isNativeError(error))',
    caughtBy,
  },
  {
    name: 'caller-lost-after-call',
    why: "An error that comes after the call does not have the caller's line.",
    file,
    find: "error.stack = [String(error), ...frames].join('\\n');",
    replace: 'void frames;',
    caughtBy,
  },
];
