// Asks the Python side (peer.py), whose interpreter `npm run test:interop` names.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What a function of peer.py returns. */
export function ask(call: string, ...args: readonly unknown[]): unknown {
  const python = process.env['METAL_SGD_PYTHON'];
  if (python === undefined) throw new Error('METAL_SGD_PYTHON is not set: npm run test:interop sets it');
  const answer = execFileSync(python, [join(__dirname, 'peer.py')], {
    input: JSON.stringify({ call, arguments: args }),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return JSON.parse(answer);
}
