// The examples, compiled as `npm start` does.
import { join } from 'node:path';
import { ROOT } from './child';
import { compile } from './compile';

/** The program of the handwritten digits. */
export const DIGITS = join(ROOT, 'examples', 'build', 'digits.js');

export const buildExamples = (): void => {
  compile('examples');
};
