// Runs commands in this repository on Alpine Linux, which is to say on musl: in Docker, with what the build needs.
//   node scripts/release/alpine.mjs NODE_VERSION COMMAND...     each command is one line of shell
import { spawnSync } from 'node:child_process';
import { root } from '../lib/run.mjs';

const PACKAGES = ['cmake', 'g++', 'git', 'make', 'python3'];
/** What the commands may see of our environment. */
const PASSED_ON = ['CI'];

const [version, ...commands] = process.argv.slice(2);
if (!version || commands.length === 0) {
  console.error('usage: node scripts/release/alpine.mjs NODE_VERSION COMMAND...');
  process.exit(2);
}
const image = `node:${version}-alpine`;
const script = [`apk add --quiet --no-cache ${PACKAGES.join(' ')}`, ...commands].join(' && ');
const folder = '/metal-sgd';
const flags = [
  '--rm',
  '--volume',
  `${root}:${folder}`,
  '--workdir',
  folder,
  ...PASSED_ON.flatMap((name) => ['--env', name]),
];
const { status, error } = spawnSync('docker', ['run', ...flags, image, 'sh', '-exc', script], { stdio: 'inherit' });
if (error) console.error(`alpine: docker: ${error.message}`);
process.exit(status ?? 1);
