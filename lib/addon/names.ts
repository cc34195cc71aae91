// What this code and the addon share. `constants.ts` compares it when it loads the addon.

/** The number of the addon's verbs and their arguments: it grows whenever one of them changes. */
export const INTERFACE = 5;

/** Where the steps of a tree may run. */
export const TARGETS = ['cpu', 'gpu', 'auto'] as const;
export type Target = (typeof TARGETS)[number];

/** Where a step ran, and why. */
export const OUTCOMES = [
  'cpuAsked',
  'cpuNoArena',
  'cpuSmall',
  'cpuRefused',
  'cpuGpuFailed',
  'cpuTooLarge',
  'cpuNoProof',
  'cpuExact',
  'gpu',
  'gpuAndCpu',
  'gpuInexact',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The arrays that a step reads and writes for each element, besides gradients. */
export const ROLES = ['parameter', 'velocity', 'master', 'average'] as const;
export type Role = (typeof ROLES)[number];

/** Columns of a settings row. Steps read the first ones, and write the last three of the first row. */
export const COLUMNS = [
  'learningRate',
  'momentum',
  'weightDecay',
  'dampening',
  'nesterov',
  'maximize',
  'flushSubnormals',
  'divisor',
  'gradientScale',
  'clipValue',
  'emaDecay',
  'outcome',
  'copiedBytes',
  'gpuSeconds',
] as const;
export type Column = (typeof COLUMNS)[number];
