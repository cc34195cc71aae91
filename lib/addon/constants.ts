// Compares the addon's lists with those of this code. An addon of another version would be read wrongly in silence.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { coded, METAL_CODES, type MetalErrorCode } from '../errors';
import { packageFolder } from '../root';
import { type Dtype, DTYPES } from '../tree/dtype';
import { type Column, COLUMNS, type Outcome, OUTCOMES, type Target, TARGETS } from './names';

/** The addon's lists of names, each in the order in which it numbers them, and its version. */
export interface Constants {
  version: string;
  /** Bytes. Arenas begin on a page of this size, or of the system's if that is larger. */
  arenaPage: number;
  dtypes: Dtype[];
  targets: Target[];
  outcomes: Outcome[];
  settings: Column[];
  gpuErrors: MetalErrorCode[];
}

const EXPECTED = {
  dtypes: DTYPES,
  targets: TARGETS,
  outcomes: OUTCOMES,
  settings: COLUMNS,
  gpuErrors: METAL_CODES,
} as const;

/** The addon's lists. Throws with code `addon` unless they hold the same names, in any order. */
export function checkConstants(addon: { readonly constants?: () => Partial<Constants> }): Constants {
  const constants: Partial<Constants> = addon.constants?.() ?? {};
  for (const [list, expected] of Object.entries(EXPECTED) as [keyof typeof EXPECTED, readonly string[]][]) {
    const received = constants[list] ?? [];
    if (sorted(received) !== sorted(expected)) throw mismatch(constants.version, list, expected, received);
  }
  return constants as Constants;
}

const sorted = (names: readonly string[]): string => [...names].sort().join(', ');

function mismatch(
  version: string | undefined,
  list: string,
  expected: readonly string[],
  received: readonly string[],
): Error {
  const [ours, theirs] = [`metal-sgd ${versionOfPackage()}`, version ?? 'an earlier version'];
  return coded(
    Error,
    'addon',
    `the native addon belongs to ${theirs}, and this is ${ours}: build it again, or unset METAL_SGD_PREBUILD ` +
      `(${list}: expected ${expected.join(', ')}, received ${received.join(', ') || 'none'})`,
  );
}

/** For messages: a bundle may stand without its package.json. */
function versionOfPackage(): string {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8'));
    return String((manifest as { version: unknown }).version);
  } catch {
    return 'of another version';
  }
}
