// Evaluates an expression over ES modules of scripts in a process of its own: Jest runs CommonJS.
import { spawnSync } from 'node:child_process';
import { ROOT } from './child';

/** The value of an expression, which goes through JSON. `setUp` declares what it uses; `data` is in its sight. */
export function evaluateAfter(setUp: string, expression: string, data: unknown = null): unknown {
  const code = `const data = JSON.parse((await import('node:fs')).readFileSync(0, 'utf8'));
    ${setUp}
    console.log(JSON.stringify(${expression}));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: ROOT,
    encoding: 'utf8',
    input: JSON.stringify(data),
    timeout: 30_000,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
