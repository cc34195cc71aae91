// What the suite needs of the package beyond its API: the number of threads, changed while it runs.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Native from '../dist/addon/native';

/** The package's folder. */
export const ROOT = dirname(require.resolve('metal-sgd/package.json'));

const { native } = createRequire(join(ROOT, 'dist', 'index.js'))('./addon/native.js') as typeof Native;

export function setThreads(count: number): void {
  native().setThreads(count);
}
