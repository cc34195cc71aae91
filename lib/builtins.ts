// Modules of Node's that are loaded at their first use: they would make importing the package half as long again.
import type * as Crypto from 'node:crypto';
import type * as Threads from 'node:worker_threads';

/* eslint-disable @typescript-eslint/no-require-imports -- the one way to load lazily without waiting */
export const crypto = (): typeof Crypto => require('node:crypto') as typeof Crypto;
export const threads = (): typeof Threads => require('node:worker_threads') as typeof Threads;
