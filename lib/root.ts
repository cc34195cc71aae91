// The folder of the package. This file stays flat: its folder is a child of the package in lib, in dist and in the bundle.
import { join } from 'node:path';

/** The folder that holds `prebuilds` or `build`. */
export const packageFolder = (): string => join(__dirname, '..');
