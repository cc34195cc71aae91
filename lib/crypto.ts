// node:crypto, loaded at its first use: it would make importing the package half as long again.
import type * as Crypto from 'node:crypto';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the one way to load lazily without waiting
export const crypto = (): typeof Crypto => require('node:crypto') as typeof Crypto;
