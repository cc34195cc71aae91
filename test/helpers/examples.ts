// The examples, compiled as `npm start` does.
import { join } from 'node:path';
import { ROOT, runNode } from './child';

/** The program of the handwritten digits. */
export const DIGITS = join(ROOT, 'examples', 'build', 'digits.js');

export function buildExamples(): void {
  const built = runNode([require.resolve('typescript/bin/tsc'), '-p', 'examples']);
  if (built.status !== 0) throw new Error(built.stdout);
}
