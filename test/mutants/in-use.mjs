// Bugs in who waits for pending work, and who is busy. scripts/test/mutants.mjs explains the fields.
const file = 'lib/memory/inUse.ts';
const caughtBy = 'test/behaviour/in-use.test.ts';

/** @type {import("../../scripts/test/mutants/data.mjs").Mutant[]} */
export default [
  {
    name: 'in-use-clone-mixes',
    why: 'clone reads parameters that a step is writing.',
    file: 'lib/memory/zeros.ts',
    find: "  checkLeavesFree(leaves, 'read');\n",
    replace: "  checkLeavesFree([], 'read');\n",
    caughtBy,
  },
  {
    name: 'in-use-bytes-mix',
    why: 'toBytes reads parameters that a step is writing.',
    file: 'lib/safetensors/tensors.ts',
    find: "    checkLeavesFree(leaves, 'read');\n",
    replace: "    checkLeavesFree(leaves.slice(leaves.length), 'read');\n",
    caughtBy,
  },
  {
    name: 'in-use-gradients-forgotten',
    why: 'The gradients that a step reads can be written.',
    file,
    find: 'this.#all = rangesOf([...written, ...read]);',
    replace: 'this.#all = rangesOf(read.length < 0 ? read : written);',
    caughtBy,
  },
  {
    name: 'in-use-velocities-forgotten',
    why: 'The velocities that a step writes can be read.',
    file: 'lib/optimizer/plan.ts',
    find: 'dataOf(parameter, velocity, master, average)),\n    read: [...leaves.flatMap(({ gradients }) =>',
    replace:
      'dataOf(parameter, velocity === parameter ? velocity : master, average)),\n    read: [...leaves.flatMap(({ gradients }) =>',
    caughtBy,
  },
  {
    name: 'in-use-ranges-overlap',
    why: 'A range that lies within the one before it ends that one.',
    file,
    find: 'ranges[last] = Math.max(ranges[last], end);',
    replace: 'ranges[last] = end;',
    caughtBy,
  },
  {
    name: 'in-use-file-does-not-wait',
    why: 'A file is written beside the steps that were called before.',
    file,
    find: 'return new Use(what, footprint, files, [...steps, ...files]);',
    replace: 'return new Use(what, footprint, files, [...files]);',
    caughtBy,
  },
  {
    name: 'in-use-step-does-not-wait',
    why: 'A step begins while a file is written from its parameters.',
    file,
    find: "return new Use('a step of updateAsync', footprint, steps, files);",
    replace: "return new Use('a step of updateAsync', footprint, steps, []);",
    caughtBy,
  },
  {
    name: 'in-use-never-over',
    why: 'A file that fails holds all later steps.',
    file,
    find: '    return await work();\n  } finally {\n    use.end();\n  }',
    replace: '    const result = await work();\n    use.end();\n    return result;\n  } finally {\n    void use;\n  }',
    caughtBy,
  },
  {
    name: 'in-use-warm-update-unchecked',
    why: 'A step whose plan is known writes what a file is written from.',
    file: 'lib/optimizer/planner.ts',
    find: "if (!shared) checkFree('parameters', last.footprint);",
    replace: "if (shared) checkFree('parameters', last.footprint);",
    caughtBy,
  },
  {
    name: 'in-use-first-update-unchecked',
    why: 'A step whose plan is new writes what a pending step writes.',
    file: 'lib/optimizer/planner.ts',
    find: "if (!shared) checkFree('parameters', plan.footprint);",
    replace: "if (shared) checkFree('parameters', plan.footprint);",
    caughtBy,
  },
  {
    name: 'between-at-once',
    why: 'between runs its function beside pending steps.',
    file: 'lib/optimizer/queue.ts',
    find: "const entry: Entry = { what: 'between', start, reject };",
    replace:
      "const early = work();\n      const entry: Entry = { what: 'between', start: () => (void start, resolve(early), this.#leave(), this.#startNext()), reject };",
    caughtBy,
  },
  {
    name: 'between-ends-the-queue',
    why: 'After an error between two steps, later steps never begin.',
    file: 'lib/optimizer/queue.ts',
    find: '          entry.reject(error);\n',
    replace: '          entry.reject(error);\n          return;\n',
    caughtBy,
  },
];
