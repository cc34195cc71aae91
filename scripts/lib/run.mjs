// Runs commands in the package's folder. One that fails ends the process.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The folder of the package. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Ends the process with a line that says why. */
export function fail(message) {
  console.error(`metal-sgd: ${message}`);
  process.exit(1);
}

/** Runs a command in sight of the user. */
export function runVisibly(command, args, environment = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  if (error) throw error;
  if (signal) process.kill(process.pid, signal); // whoever waits for this process learns how it ended
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs a command that is quiet unless it fails. `hint` is printed after what it said then; a function makes it. */
export function runQuietly(command, args, { environment = {}, hint = '' } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...environment },
  });
  if (status === 0) return;
  if (error) process.stderr.write(`metal-sgd: ${command}: ${error.message}\n`);
  else process.stderr.write(stdout + stderr);
  const text = typeof hint === 'function' ? hint() : hint;
  if (text) process.stderr.write(`metal-sgd: ${text}\n`);
  process.exit(status || 1);
}
