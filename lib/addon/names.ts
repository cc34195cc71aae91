// What this code and the addon share. `constants.ts` compares it when it loads the addon.

/** The number of the addon's verbs and their arguments: it grows whenever one of them changes. */
export const INTERFACE = 10;

/** Where the steps of a tree may run. */
export const TARGETS = ['cpu', 'gpu', 'auto'] as const;
export type Target = (typeof TARGETS)[number];

/** Where a step ran, and why. */
export const OUTCOMES = [
  'cpuAsked',
  'cpuNoArena',
  'cpuSmall',
  'cpuTimed',
  'cpuFaster',
  'cpuRefused',
  'cpuGpuFailed',
  'cpuWhole',
  'cpuTooLarge',
  'cpuNoProof',
  'cpuExact',
  'gpuAsked',
  'gpuInexact',
  'gpuTimed',
  'gpuFaster',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What became of a step. */
export const VERDICTS = ['stepped', 'clipped', 'skipped'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What a step does whose gradients are not finite. */
export const NON_FINITE = ['apply', 'skip', 'error'] as const;
/**
 * What a step does whose gradients are not finite.
 *
 * @useDeclaredType
 */
export type NonFinite = (typeof NON_FINITE)[number];

/** The arrays that a step reads and writes for each element, besides gradients. */
export const ROLES = ['parameter', 'velocity', 'master', 'average'] as const;
export type Role = (typeof ROLES)[number];

/** Columns of a settings row. Steps read the first ones, and write those from the outcome on, of the first row. */
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
  'maxNorm',
  'nonFinite',
  'outcome',
  'copiedBytes',
  'gpuSeconds',
  'verdict',
  'gradientNorm',
  'gradientMax',
  'isSplit',
  'cpuTime',
  'gpuTime',
] as const;
export type Column = (typeof COLUMNS)[number];
