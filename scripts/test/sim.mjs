// npm run sim -- COMMAND: runs any command with the package loading the build over the Metal simulator.
// With METAL_SGD_DEVICE=gpu everything then runs on the simulated GPU.
import { spawnSync } from 'node:child_process';
import { buildSim, simFolder } from '../build/sim.mjs';

const [command, ...args] = process.argv.slice(2);
if (!command) {
  console.error('usage: npm run sim -- COMMAND [ARGUMENT...]');
  process.exit(2);
}
buildSim();
const { status, signal, error } = spawnSync(command, args, {
  stdio: 'inherit',
  env: { ...process.env, METAL_SGD_PREBUILD: simFolder },
});
if (error) throw error;
if (signal) process.kill(process.pid, signal);
process.exit(status ?? 1);
