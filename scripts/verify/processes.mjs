// Runs processes to their end, whatever that is: one that crashes, hangs or can't start is an answer too.
import { spawn } from 'node:child_process';
import { clearTimeout, setTimeout } from 'node:timers';
import { root } from '../lib/run.mjs';

const running = new Set();

/** Each process leads a group, so that what it has started ends with it. */
function stop({ pid }) {
  try {
    if (pid) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Ctrl-C reaches only this process: the others are in groups of their own. */
export function stopOnSignals() {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.on(signal, () => {
      running.forEach(stop);
      process.exit(status);
    });
  }
}

/** Runs a program; never rejects. `ended` says in words how it ended, unless by itself with a `status`. */
export function run(command, args, { environment = process.env, seconds = 600, echo = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const text = { stdout: '', stderr: '' };
    let late;
    const timer = setTimeout(() => {
      late = `did not end within ${seconds} s`;
      stop(child);
    }, seconds * 1000);
    const finish = (status, ended) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ...text, status, ended });
    };
    running.add(child);
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (part) => {
        text[name] += part;
        if (echo) process[name].write(part);
      });
    }
    child.on('error', (error) => finish(null, `could not start: ${error.message}`));
    child.on('exit', () => stop(child)); // what it left behind would hold the pipes open
    child.on('close', (status, signal) => finish(status, late ?? (signal ? `ended by ${signal}` : undefined)));
  });
}

/** The line of standard error that says most. */
function reasonIn(stderr) {
  const lines = stderr.split('\n').filter((line) => line.trim());
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? '';
}

/** Runs a script that answers by a line of JSON: `result`, or `failure` in words. `crashed`: it did not end by itself. */
export async function ask(script, options, { environment, seconds } = {}) {
  const args = ['--expose-gc', script, JSON.stringify(options)];
  const { status, ended, stdout, stderr } = await run(process.execPath, args, { environment, seconds });
  const text = stdout.split('\n').find((line) => line.startsWith('{'));
  if (!ended && status === 0 && text) return { result: JSON.parse(text), stderr };
  const failure = ended ? `its process ${ended}` : `status ${status}: ${reasonIn(stderr)}`;
  return { failure, crashed: ended !== undefined, stderr };
}
