// Trains examples/jax on both backends: `jax.mjs '{"folder":"…"}'`; without a folder that of this checkout.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../lib/run.mjs';
import { answer, given } from './child.mjs';

const { folder = join(root, 'examples', 'jax'), epochs = 2 } = given();

/** What an example reports of a backend, or why it does not. */
function train(backend) {
  const place = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
  const report = join(place, 'report.json');
  const options = ['--backend', backend, '--epochs', String(epochs), '--report', report];
  const { status, stderr } = spawnSync(process.execPath, ['digits.mjs', ...options], { cwd: folder, encoding: 'utf8' });
  const failure = stderr.trim().split('\n').at(-1) || `status ${status}`;
  const found = status === 0 ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  rmSync(place, { recursive: true });
  if (!found) return { failure };
  const milliseconds = Object.values(found.milliseconds).reduce((sum, time) => sum + time);
  return { stepsPerSecond: 1000 / milliseconds, losses: found.losses.slice(0, 50) };
}

const installed = existsSync(join(folder, 'node_modules', 'webgpu'));
answer(installed ? { webgpu: train('webgpu'), wasm: train('wasm') } : {});
