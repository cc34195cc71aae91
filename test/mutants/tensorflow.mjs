// Bugs in the optimizer for TensorFlow.js. scripts/test/mutants.mjs explains the fields.
const caughtBy = 'test/values/tensorflow.test.ts';
const losses = 'test/values/tensorflow-losses.test.ts';
const index = 'lib/tensorflow/index.ts';
const ownMemory = 'lib/tensorflow/ownMemory.ts';
const variables = 'lib/tensorflow/variables.ts';
const webassembly = 'lib/tensorflow/webassembly.ts';

/** @type {import("../../scripts/test/mutants/data.mjs").Mutant[]} */
export default [
  {
    name: 'tensorflow-packed-stays',
    why: 'The backend wasm multiplies by what it packed before the step.',
    file: webassembly,
    find: 'wasm.tfjs.disposeData(id); // of its books: the memory stays\n',
    replace: 'if (id === 0) wasm.tfjs.disposeData(id);\n',
    caughtBy: losses,
  },
  {
    name: 'tensorflow-wasm-writes-clones',
    why: 'A step in WebAssembly changes the clones of a variable.',
    file: webassembly,
    find: 'if (!isSharedWithOthers(variable)) return;',
    replace: 'if (isSharedWithOthers(variable)) return;',
    caughtBy,
  },
  {
    name: 'tensorflow-cpu-writes-clones',
    why: 'A step on the backend cpu changes the clones of a variable.',
    file: ownMemory,
    find: 'if (isSharedWithOthers(variable)) this.#held.delete(variable.name);',
    replace: 'if (!isSharedWithOthers(variable)) this.#held.get(variable.name);',
    caughtBy,
  },
  {
    name: 'tensorflow-old-leaf',
    why: 'What somebody assigns to a variable is lost.',
    file: ownMemory,
    find: 'if (held.dataId !== variable.dataId) this.#takeUp(held);',
    replace: 'if (known !== held) this.#takeUp(held);',
    caughtBy,
  },
  {
    name: 'tensorflow-not-shown',
    why: 'Backends with memory of their own keep the parameters from before the step.',
    file: ownMemory,
    find: 'if (!held || isShown(variable, held.leaf.data)) return;',
    replace: 'if (!held || held.dataId === variable.dataId) return;',
    caughtBy,
  },
  {
    name: 'tensorflow-shown-by-all',
    why: 'A backend that gives back what it was given is taken for one that shows it.',
    file: ownMemory,
    find: "tf.getBackend() === 'cpu'",
    replace: "tf.getBackend() !== 'wasm'",
    caughtBy,
  },
  {
    name: 'tensorflow-same-name-same-leaf',
    why: 'A variable made anew with the name of a disposed one is not written.',
    file: ownMemory,
    find: 'const held = known?.variable === variable ? known : this.#hold(variable);',
    replace: 'const held = known ?? this.#hold(variable);',
    caughtBy,
  },
  {
    name: 'tensorflow-old-trees',
    why: 'A step takes the gradients of other variables than it was given.',
    file: variables,
    find: 'if (!areSame) {',
    replace: 'if (!areSame && leaves.length === 0) {',
    caughtBy,
  },
  {
    name: 'tensorflow-large-copied',
    why: 'Large gradients are copied on the backend wasm.',
    file: webassembly,
    find: 'this.#copiesGradients = elements <= COPIED_EACH * pairs.length;',
    replace: 'this.#copiesGradients = elements <= 1e9 * COPIED_EACH;',
    caughtBy,
  },
  {
    name: 'tensorflow-copies-uncounted',
    why: 'lastRun leaves out what moved between TensorFlow.js and the step.',
    file: index,
    find: 'copiedBytes: lastRun.copiedBytes + this.#variables.copiedBytes',
    replace: 'copiedBytes: lastRun.copiedBytes',
    caughtBy,
  },
  {
    name: 'tensorflow-disposed-optimizer',
    why: 'An optimizer steps after dispose.',
    file: index,
    find: 'this.#isDisposed = true;',
    replace: '',
    caughtBy,
  },
  {
    name: 'tensorflow-any-dtype',
    why: 'An int32 variable is stepped as float32.',
    file: variables,
    find: "if (dtype !== 'float32') throw typeError(",
    replace: "if (dtype === 'string') throw typeError(",
    caughtBy,
  },
  {
    name: 'tensorflow-restored-by-old-names',
    why: 'A loaded model begins with velocities of zero, since its variables have other names.',
    file: index,
    find: 'return fits ? Object.fromEntries(',
    replace: 'return fits && false ? Object.fromEntries(',
    caughtBy,
  },
  {
    name: 'tensorflow-weights-without-step',
    why: 'setWeights forgets how many steps were taken.',
    file: index,
    find: 'this.#sgd.step = step;',
    replace: 'void step;',
    caughtBy,
  },
  {
    name: 'tensorflow-config-drops-groups',
    why: 'A model is saved without its groups, and trains otherwise when loaded.',
    file: index,
    find: 'if (groups.length > 0 || trainable)',
    replace: 'if (groups.length > 99 || trainable)',
    caughtBy,
  },
];
