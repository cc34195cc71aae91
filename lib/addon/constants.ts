// Compares the addon's lists with those of this code. An addon of another version would be read wrongly in silence.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { coded, METAL_CODES, type MetalErrorCode } from '../errors';
import { packageFolder } from '../root';
import { type Dtype, DTYPES, itemSize } from '../tree/dtype';
import {
  type Column,
  COLUMNS,
  INTERFACE,
  NON_FINITE,
  type NonFinite,
  type Outcome,
  OUTCOMES,
  type Role,
  ROLES,
  type Target,
  TARGETS,
  type Verdict,
  VERDICTS,
} from './names';

/** What the addon and this code must agree on. The addon numbers each list of names in its own order. */
interface Shared {
  interface: number;
  dtypes: readonly Dtype[];
  /** Bytes of an element, in the order of `dtypes`. */
  itemSizes: readonly number[];
  targets: readonly Target[];
  outcomes: readonly Outcome[];
  verdicts: readonly Verdict[];
  nonFinite: readonly NonFinite[];
  roles: readonly Role[];
  settings: readonly Column[];
  gpuErrors: readonly MetalErrorCode[];
}

/** The addon's lists and numbers. */
export interface Constants extends Shared {
  version: string;
  /** Bytes. Arenas begin on a page of this size, which suits both the system and a GPU. */
  arenaPage: number;
}

const OURS: Shared = {
  interface: INTERFACE,
  dtypes: DTYPES,
  itemSizes: DTYPES.map(itemSize),
  targets: TARGETS,
  outcomes: OUTCOMES,
  verdicts: VERDICTS,
  nonFinite: NON_FINITE,
  roles: ROLES,
  settings: COLUMNS,
  gpuErrors: METAL_CODES,
};

/** The addon's constants. Throws with code `addon` unless they agree with this code; names may have any order. */
export function checkConstants(addon: { readonly constants?: () => Partial<Constants> }): Constants {
  const constants: Partial<Constants> = addon.constants?.() ?? {};
  const theirs = comparable(constants);
  for (const [list, expected] of Object.entries(comparable(OURS))) {
    const received = theirs[list];
    if (sorted(received) !== sorted(expected)) throw mismatch(constants.version, list, expected, received);
  }
  return constants as Constants;
}

/** Lists whose order does not matter. */
function comparable(constants: Partial<Shared>): Record<string, readonly string[]> {
  const { itemSizes = [], dtypes = [], ...names } = constants;
  const {
    targets = [],
    outcomes = [],
    verdicts = [],
    nonFinite = [],
    roles = [],
    settings = [],
    gpuErrors = [],
  } = names;
  const sized = dtypes.map((dtype, i) => `${dtype} of ${String(itemSizes[i])} bytes`);
  const number = constants.interface === undefined ? [] : [String(constants.interface)];
  return { interface: number, dtypes: sized, targets, outcomes, verdicts, nonFinite, roles, settings, gpuErrors };
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
